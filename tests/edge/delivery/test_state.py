"""Laws of the delivery rules, on the pure state machine: no broker, no journal and no clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge import wire
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.actions import (
    Action,
    BatchPublished,
    BatchTooLarge,
    DeadLetter,
    Disconnect,
    DiskFull,
    HeadRead,
    MarkDelivered,
    MarkedDelivered,
    Publish,
    ReadHead,
    ReadPending,
    ReadRows,
    RememberBase,
    RowsRead,
)
from anura_edge.delivery.events import Closed, PubackReceived
from anura_edge.delivery.poison_rows import MAX_REFUSALS, PoisonRowFinder
from anura_edge.delivery.state import (
    MARK_RETRY_S,
    MAX_IN_FLIGHT,
    MAX_IN_FLIGHT_BYTES,
    DeliveryState,
    Event,
    OtherMessage,
    Sender,
    Tick,
)
from anura_edge.wire import Owner, QueuedRow
from anura_edge.wire.rows import event_row

JOURNAL, BASE, OTHER_BASE = UUID(int=1), UUID(int=7), UUID(int=8)
OWNER = Owner("s", "d")
RESEND_S, KEEPALIVE_S = 30.0, 30
ROW_BYTES = 100
MAX_BATCH_ROWS = 40
"""Larger batches are too large for the simulated broker."""


class Rows(list[wire.Row]):
    """A list with a short text for error messages."""

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


@pytest.fixture(scope="module")
def rows(make_event: Callable[..., Any], provenance: wire.Provenance) -> Rows:
    return Rows(QueuedRow(event_row(seq, make_event(seq), provenance), OWNER) for seq in range(1, 301))


@dataclass
class Simulation:
    """An outbox in memory, which carries out actions and checks the laws at each of them."""

    pending: dict[int, wire.QueuedRow]
    delivery: str = "base"
    poison_rows: PoisonRowFinder = field(default_factory=PoisonRowFinder)
    now_s: float = 0.0
    is_full: bool = False
    log: list[tuple[Event, float, list[Action]]] = field(default_factory=list)
    dead: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.acknowledged: set[int] = set()
        self.deliveries = 0
        """Acknowledgements so far."""
        self.mid = 0
        self.connect()

    def connect(self) -> None:
        mqtt = MqttSettings(host="h", resend_s=RESEND_S, keepalive_s=KEEPALIVE_S, delivery=self.delivery)
        self.state = DeliveryState(Sender(JOURNAL, BASE), mqtt, self.poison_rows, self.now_s)
        self.in_flight: dict[int, BatchPublished] = {}
        self.published: dict[int, BatchPublished] = {}
        self.ended: str | None = None
        self.log.clear()

    def on(self, event: Event) -> None:
        actions = self.state.on(event, self.now_s)
        self.log.append((event, self.now_s, actions))
        for action in actions:
            self.perform(action)
            if self.ended:
                return

    def perform(self, action: Action) -> None:
        waiting = sorted(self.pending)
        match action:
            case ReadHead(limit):
                self.on(HeadRead(waiting[-1] if waiting else 0, waiting[-limit:]))
            case ReadRows(_, seqs):
                self.on(RowsRead(action, [self.pending[seq] for seq in waiting if seq in seqs]))
            case ReadPending(_, after_seq, limit):
                self.on(RowsRead(action, [self.pending[seq] for seq in waiting if seq > after_seq][:limit]))
            case Publish(rows):
                self.publish(rows)
            case MarkDelivered(seqs):
                assert seqs <= self.acknowledged, "only acknowledged rows are marked"
                if self.is_full:
                    self.on(DiskFull("the disk is full"))
                    return
                for seq in seqs:
                    self.pending.pop(seq, None)
                self.on(MarkedDelivered(seqs))
            case RememberBase(base):
                assert base == BASE
            case DeadLetter(seq, reason):
                assert self.deliveries >= MAX_REFUSALS - 1, "others were acknowledged between its refusals"
                self.dead[seq] = reason
                self.pending.pop(seq, None)
            case Disconnect(reason):
                self.ended = reason

    def publish(self, rows: Any) -> None:
        seqs = tuple(row.seq for row in rows)
        size = ROW_BYTES * len(seqs)
        if len(seqs) > MAX_BATCH_ROWS:
            self.on(BatchTooLarge(rows, size))
            return
        assert len(self.in_flight) < MAX_IN_FLIGHT
        assert sum(batch.size_bytes for batch in self.in_flight.values()) < MAX_IN_FLIGHT_BYTES
        assert not self.in_flight or not self.poison_rows.testing, "a suspected batch is alone"
        self.mid += 1
        batch = BatchPublished(self.mid, rows[0].topic, seqs, f"{self.mid:016x}", size)
        self.in_flight[self.mid] = self.published[self.mid] = batch
        self.on(batch)

    def puback(self, mid: int, *, accepted: bool = True, blames_row: bool = False) -> None:
        batch = self.in_flight.pop(mid)
        if accepted and self.delivery == "broker":
            self.receive(batch)
        self.on(PubackReceived(mid, accepted, "refused", blames_row))

    def acknowledge(self, mid: int) -> None:
        batch = self.published[mid]
        self.receive(batch)
        self.on(wire.Ack(base=BASE, journal=JOURNAL, seq=0, batches=(batch.digest,)))

    def receive(self, batch: BatchPublished) -> None:
        self.acknowledged |= set(batch.seqs)
        self.deliveries += 1

    def refuse(self, mid: int) -> None:
        self.on(wire.Refusal(base=BASE, refused=self.published[mid].digest, reason="bad"))


def simulate(rows: Rows, count: int, **settings: Any) -> Simulation:
    return Simulation({row.seq: row for row in rows[:count]}, **settings)


STEPS = st.tuples(
    st.sampled_from(
        [
            "tick",
            "puback",
            "puback",
            "ack",
            "ack",
            "refusal",
            "blame",
            "block",
            "closed",
            "foreign",
            "second base",
            "other",
            "full",
        ]
    ),
    st.integers(0, 1_000),
    st.sampled_from([0.0, 0.1, 1.0, 20.0, 40.0, 100.0]),
)


def step(simulation: Simulation, name: str, pick: int, pause_s: float) -> None:
    simulation.now_s += pause_s
    in_flight, published = [*simulation.in_flight], [*simulation.published]
    match name:
        case "puback" if in_flight:
            simulation.puback(in_flight[0])
        case "ack" if published and simulation.delivery == "base":
            simulation.acknowledge(published[pick % len(published)])
        case "refusal" if published:
            simulation.refuse(published[pick % len(published)])
        case "blame" if in_flight:
            simulation.puback(in_flight[0], accepted=False, blames_row=True)
        case "block" if in_flight:
            simulation.puback(in_flight[0], accepted=False)
        case "closed":
            simulation.on(Closed("connection lost"))
        case "foreign":
            batches = tuple(batch.digest for batch in simulation.published.values())
            simulation.on(wire.Ack(base=BASE, journal=UUID(int=2), seq=300, batches=batches))
        case "second_base" if published:
            batches = tuple(batch.digest for batch in simulation.published.values())
            simulation.on(wire.Ack(base=OTHER_BASE, journal=JOURNAL, seq=300, batches=batches))
            simulation.on(wire.Refusal(base=OTHER_BASE, refused=batches[0], reason="bad"))
        case "other":
            simulation.on(OtherMessage())
        case "full":
            simulation.is_full = not simulation.is_full
    if not simulation.ended:
        simulation.on(Tick())


def step_and_reconnect(simulation: Simulation, name: str, pick: int, pause_s: float) -> None:
    step(simulation, name, pick, pause_s)
    if simulation.ended:
        simulation.connect()


@settings(max_examples=100, deadline=None)
@given(count=st.integers(0, 299), delivery=st.sampled_from(["base", "broker"]), history=st.lists(STEPS, max_size=30))
def test_laws_hold_for_any_history_and_all_rows_end(
    rows: Rows, count: int, delivery: str, history: list[tuple[str, int, float]]
) -> None:
    """`Simulation` asserts the laws. In the end a receiver that accepts all rows has them all."""
    simulation = simulate(rows, count, delivery=delivery)
    for each in history:
        step_and_reconnect(simulation, *each)
    simulation.is_full = False
    simulation.pending[count + 1] = rows[count]  # rejected rows become dead letters only after another is delivered
    for _ in range(600):
        if not simulation.pending:
            break
        step_and_reconnect(simulation, "puback", 0, MARK_RETRY_S + 1)
        for mid, batch in [*simulation.published.items()]:
            is_open = mid not in simulation.in_flight and simulation.pending.keys() & set(batch.seqs)
            if delivery == "base" and is_open:
                simulation.acknowledge(mid)
    assert not simulation.pending
    assert simulation.acknowledged | simulation.dead.keys() == {row.seq for row in rows[: count + 1]}


@settings(max_examples=30, deadline=None)
@given(history=st.lists(STEPS, max_size=20))
def test_equal_events_give_equal_actions(rows: Rows, history: list[tuple[str, int, float]]) -> None:
    simulation = simulate(rows, 300)
    for each in history:
        step(simulation, *each)
        if simulation.ended:
            break
    mqtt = MqttSettings(host="h", resend_s=RESEND_S, keepalive_s=KEEPALIVE_S)
    again = DeliveryState(Sender(JOURNAL, BASE), mqtt, PoisonRowFinder(), 0.0)
    for event, now_s, actions in simulation.log:
        assert again.on(event, now_s) == actions


def test_row_in_flight_is_not_published_again(rows: Rows) -> None:
    simulation = simulate(rows, 300)
    for _ in range(5):
        simulation.on(Tick())
    seqs = [seq for batch in simulation.published.values() for seq in batch.seqs]
    assert len(seqs) == len(set(seqs)) == 300


def test_newest_events_go_first(rows: Rows) -> None:
    simulation = simulate(rows, 300)
    simulation.on(Tick())
    first = next(iter(simulation.published.values()))
    assert first.seqs == tuple(range(281, 301))


def test_silent_broker_is_disconnected(rows: Rows) -> None:
    simulation = simulate(rows, 1)
    simulation.on(Tick())
    simulation.now_s = 1.5 * KEEPALIVE_S + 0.1
    simulation.on(Tick())
    assert simulation.ended == "no answer for 45 s"


def test_unacknowledged_row_is_published_again_ever_later(rows: Rows) -> None:
    simulation = simulate(rows, 1)
    times: list[float] = []
    while len(times) < 4:
        before = len(simulation.published)
        simulation.on(Tick())
        times += [simulation.now_s] * (len(simulation.published) - before)
        for mid in [*simulation.in_flight]:
            simulation.puback(mid)
        simulation.now_s += 1
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == [31, 61, 121]
    assert "no acknowledgement from the base station for 120 s" in (simulation.state.problem or "")


def test_row_of_a_blocked_kind_is_tried_later(rows: Rows) -> None:
    simulation = simulate(rows, 1)
    simulation.on(Tick())
    simulation.puback(1, accepted=False)
    simulation.on(Tick())
    assert len(simulation.published) == 1
    assert simulation.state.problem == "the broker does not pass our rows on: refused"
    simulation.now_s = RESEND_S + 1
    simulation.on(Tick())
    assert len(simulation.published) == 2
    simulation.puback(2)
    assert simulation.state.problem is None


def test_late_acknowledgement_after_a_resend_counts(rows: Rows) -> None:
    simulation = simulate(rows, 1)
    simulation.on(Tick())
    simulation.puback(1)
    simulation.now_s = RESEND_S + 1
    simulation.on(Tick())
    simulation.acknowledge(1)
    assert not simulation.pending


def test_first_base_that_acknowledges_is_remembered_and_a_second_one_is_told(rows: Rows) -> None:
    simulation = simulate(rows, 2)
    simulation.state = DeliveryState(Sender(JOURNAL), MqttSettings(host="h"), PoisonRowFinder(), 0.0)
    simulation.on(Tick())
    (batch,) = simulation.published.values()
    simulation.on(wire.Ack(base=OTHER_BASE, journal=JOURNAL, seq=0, batches=("f" * 16,)))
    ack = wire.Ack(base=BASE, journal=JOURNAL, seq=0, batches=(batch.digest,))
    simulation.receive(batch)
    simulation.on(ack)
    assert RememberBase(BASE) in simulation.log[-2][2], "not the one that acknowledged nothing of ours"
    assert not simulation.pending
    simulation.on(ack.model_copy(update={"base": OTHER_BASE}))
    assert f"the base station {OTHER_BASE} answers" in (simulation.state.problem or "")


@pytest.mark.parametrize("key", [None, b"another key"])
def test_answer_without_the_devices_mac_changes_nothing(rows: Rows, key: bytes | None) -> None:
    simulation = simulate(rows, 2)
    simulation.state = DeliveryState(Sender(JOURNAL, key=b"key"), MqttSettings(host="h"), PoisonRowFinder(), 0.0)
    simulation.on(Tick())
    (batch,) = simulation.published.values()
    ack = wire.Ack(base=BASE, journal=JOURNAL, seq=0, batches=(batch.digest,))
    refusal = wire.Refusal(base=BASE, refused=batch.digest, reason="forged")
    for answer in (ack, refusal):
        simulation.on(answer.signed(key) if key else answer)
        assert simulation.log[-1][2] == []
    assert "mqtt.ack_key_file" in (simulation.state.problem or "")
    simulation.receive(batch)
    simulation.on(ack.signed(b"key"))
    assert not simulation.pending


def test_acknowledgement_of_a_clone_removes_no_row(rows: Rows) -> None:
    """Its journal has our identity and numbers, but its batches have other rows."""
    simulation = simulate(rows, 2)
    simulation.on(Tick())
    simulation.on(wire.Ack(base=BASE, journal=JOURNAL, seq=2, batches=("c" * 16,)))
    assert len(simulation.pending) == 2
