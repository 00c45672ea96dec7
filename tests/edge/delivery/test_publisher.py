"""A row leaves the outbox only when the base has it, and in the end each row does, over any link."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anura_base.ingest.sequence import JournalProgress
from anura_edge import wire
from anura_edge.config.device import DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery import state as state_module
from anura_edge.delivery.events import AckReceived, Closed, PubackReceived
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.publisher import RowPublisher
from anura_edge.errors import DeliveryError
from anura_edge.events import Effort, Event
from anura_edge.store.journal import Journal

BASE = UUID(int=7)
FORMS = {"event": wire.EventBatch, "effort": wire.EffortBatch, "notice": wire.NoticeBatch}


class FakeConnection:
    """A connection whose messages a test removes one by one."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str, bytes]] = []
        self.subscribed: list[str] = []
        self._mid = 0

    def subscribe(self, topic: str) -> None:
        self.subscribed.append(topic)

    def publish(self, topic: str, payload: bytes) -> int:
        self._mid += 1
        self.sent.append((self._mid, topic, payload))
        return self._mid


class FakeBase:
    """A base station without a database. It answers exactly as `anura_base.ingest` does."""

    def __init__(self) -> None:
        self.ids: set[UUID] = set()
        self.progress = JournalProgress()

    def store(self, topic: str, payload: bytes) -> bytes:
        batch = FORMS[wire.parse_topic(topic)[2]].from_bytes(payload)
        if any(getattr(row, "label", "") == "BAD" for row in batch.rows):
            return wire.Refusal(base=BASE, refused=wire.digest(payload), reason="BAD").to_bytes()
        self.ids |= {row.id for row in batch.rows}
        self.progress = self.progress.add((row.seq for row in batch.rows), batch.floor)
        highest = max(row.seq for row in batch.rows)
        seq = min(self.progress.contiguous, highest)
        missing = self.progress.gaps_below(highest, 32)
        digests = (wire.digest(payload),)
        return wire.Ack(base=BASE, journal=batch.journal, batches=digests, seq=seq, missing=missing).to_bytes()


fates = st.sampled_from(["arrives", "arrives", "arrives", "lost", "not answered", "twice", "no puback", "closed"])


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.lists(fates, max_size=6)), max_size=6),
    st.sets(st.integers(0, 40), max_size=2),
    st.sampled_from([0, 5, 10**6]),
)
def test_base_receives_all_committed_rows_over_any_link(
    tmp_path_factory: pytest.TempPathFactory,
    make_event: Callable[..., Event],
    make_effort: Callable[..., Effort],
    provenance: wire.Provenance,
    history: list[tuple[int, list[str]]],
    poison: set[int],
    known: int,
) -> None:
    base, committed, poison_rows = FakeBase(), set[UUID](), PoisonRowFinder()
    base.progress = JournalProgress(received=((1, known),) if known else ())  # of an earlier copy of the journal
    mqtt = MqttSettings(host="h", resend_s=3_600)
    with closing(Journal(tmp_path_factory.mktemp("state") / "journal.db")) as journal:

        def connect() -> tuple[FakeConnection, RowPublisher]:
            connection = FakeConnection()
            untyped: Any = connection
            return connection, RowPublisher(journal, DeviceSettings(), mqtt, untyped, 100_000, poison_rows)

        def end_one(connection: FakeConnection, publisher: RowPublisher, fate: str) -> None:
            mid, topic, payload = connection.sent.pop(0)
            if fate != "no puback":
                publisher.handle(PubackReceived(mid, accepted=True, reason="", blames_row=False))
            for _ in range({"lost": 0, "twice": 2}.get(fate, 1)):
                answer = base.store(topic, payload)
                if fate != "not answered":
                    publisher.handle(AckReceived(answer))

        count_so_far = 0
        connection, publisher = connect()
        for count, fates_of_step in [*history, (0, [])]:
            events = [
                make_event(n, label="BAD" if n in poison else "LOW") for n in range(count_so_far, count_so_far + count)
            ]
            count_so_far += count
            journal.commit(events, [make_effort(count_so_far)] if count else [], provenance)
            committed |= {event.id for event in events if event.label != "BAD"}
            committed |= {make_effort(count_so_far).id} if count else set()
            for fate in fates_of_step:
                publisher.send()
                if fate == "closed":
                    with pytest.raises(DeliveryError):
                        publisher.handle(Closed("over"))
                    connection, publisher = connect()
                elif connection.sent:
                    end_one(connection, publisher, fate)
                waiting = {row.id for row in [each.row for each in journal.outbox.pending(0, 10**6)]}
                assert committed <= base.ids | waiting, "a row leaves the outbox only when the base has it"

        connection, publisher = connect()
        for n in range(10**6, 10**6 + 2 * len(poison) + 1):  # rows that are accepted allow dead letters
            journal.commit([make_event(n)], [], provenance)
            committed.add(make_event(n).id)
            for _ in range(300):
                publisher.send()
                if not connection.sent:
                    break
                end_one(connection, publisher, "arrives")
        assert committed <= base.ids
        assert journal.outbox.pending_count() == 0
        bad = {make_event(n, label="BAD").id for n in poison if n < count_so_far}
        assert not bad & base.ids
        assert journal.outbox.resend(None) >= len(bad), "dead letters are not lost"


def connect_to(connection: FakeConnection, journal: Journal) -> RowPublisher:
    untyped: Any = connection
    return RowPublisher(
        journal, DeviceSettings(), MqttSettings(host="h", resend_s=3_600), untyped, 100_000, PoisonRowFinder()
    )


def test_higher_sequence_number_does_not_acknowledge_a_lost_row(
    tmp_path: Path, make_event: Callable[..., Event], provenance: wire.Provenance
) -> None:
    base, connection = FakeBase(), FakeConnection()
    base.progress = JournalProgress(received=((1, 1_000),))
    with closing(Journal(tmp_path / "journal.db")) as journal:
        publisher = connect_to(connection, journal)
        for n in range(2):
            journal.commit([make_event(n)], [], provenance)
            publisher.send()
        (lost, _, _), (mid, topic, payload) = connection.sent
        for each in (lost, mid):
            publisher.handle(PubackReceived(each, accepted=True, reason="", blames_row=False))
        publisher.handle(AckReceived(base.store(topic, payload)))
        assert [row.id for row in [each.row for each in journal.outbox.pending(0, 9)]] == [make_event(0).id]
        publisher.send()  # immediately
        publisher.handle(AckReceived(base.store(*connection.sent[2][1:])))
        assert base.ids == {make_event(0).id, make_event(1).id}
        assert journal.outbox.pending_count() == 0


class LimitedJournal(Journal):
    """A journal whose file cannot grow, as on a full disk."""

    def fill(self) -> None:
        self.database._db.execute("PRAGMA max_page_count = 1")  # SQLite makes that its present size

    def make_room(self) -> None:
        self.database._db.execute("PRAGMA max_page_count = 1000000")


def test_full_disk_delays_marking_without_a_second_send(
    tmp_path: Path, make_event: Callable[..., Event], provenance: wire.Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "MARK_RETRY_S", 0.0)
    base, connection = FakeBase(), FakeConnection()
    with closing(LimitedJournal(tmp_path / "journal.db")) as journal:
        journal.commit([make_event(n) for n in range(600)], [], provenance)
        journal.fill()
        publisher = connect_to(connection, journal)
        sent = 0
        for _ in range(20):
            publisher.send()
            while connection.sent:
                mid, topic, payload = connection.sent.pop(0)
                sent += len(wire.EventBatch.from_bytes(payload).rows)
                publisher.handle(PubackReceived(mid, accepted=True, reason="", blames_row=False))
                publisher.handle(AckReceived(base.store(topic, payload)))
        assert len(base.ids) == sent == 600
        assert journal.outbox.pending_count() > 0
        assert "the disk is full" in (publisher.problem or "")
        journal.make_room()
        publisher.send()
        assert journal.outbox.pending_count() == 0
        assert publisher.problem is None
        assert not connection.sent
