"""Rows reach a base station through a real broker, after faults of either."""

import logging
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from support import Broker, eventually, free_port

from anura_base.ingest.sequence import JournalProgress
from anura_edge import wire
from anura_edge.audio import ClockSource
from anura_edge.clips.finder import ClipFinder
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.clip_upload import ClipUploader
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.events import Effort, EffortState, Event
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner

PROVENANCE = wire.Provenance("m", "1.0.0", "0" * 64, "c", "0.1.0")
START = datetime(2025, 4, 12, 20, 30, tzinfo=UTC)
BASE = UUID(int=7)


FORMS = {"event": wire.EventBatch, "effort": wire.EffortBatch, "notice": wire.NoticeBatch}


def events(count: int) -> list[Event]:
    ids = [uuid4() for _ in range(count)]
    return [
        Event(
            each, "PSECRU", "Pseudacris crucifer", "rec", "a.wav", 0, 9, 9, START, START, ClockSource.GPS, 0.9, 0.8, -30
        )
        for each in ids
    ]


def effort() -> Effort:
    return Effort(uuid4(), "rec", "a.wav", EffortState.ANALYSED, 0, 600, 10, START, ClockSource.GPS)


class FakeBase:
    """A base station that stores rows in memory. A test decides whether it acknowledges them."""

    def __init__(
        self, port: int, *, acknowledge: bool = True, lose: int | None = None, refuses_all: bool = False
    ) -> None:
        self.acknowledge, self.refuses_all = acknowledge, refuses_all
        self._lose = lose
        """The number of the message that is lost, counted from 0."""
        self.rows: dict[int, UUID] = {}
        self.notices: list[wire.NoticeRow] = []
        self.progress = JournalProgress()
        self.messages = 0
        self.statuses: list[str] = []
        self._ready = False
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("anura/v1/+/+/+", 1)
        self._client.on_subscribe = lambda *_: setattr(self, "_ready", True)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        eventually(lambda: self._ready)

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        site, device, kind = wire.parse_topic(message.topic)
        if kind == "status":
            self.statuses.append(wire.Status.from_bytes(message.payload).state)
        elif kind != "ack":
            batch = FORMS[kind].from_bytes(message.payload)
            self.messages += 1
            if self.messages - 1 == self._lose:
                return
            if self.refuses_all or any(getattr(row, "label", "") == "BAD" for row in batch.rows):
                refusal = wire.Refusal(base=BASE, refused=wire.digest(message.payload), reason="rows: not BAD")
                client.publish(wire.topic(site, device, "ack"), refusal.to_bytes(), qos=1)
                return
            self.progress = self.progress.add((row.seq for row in batch.rows), batch.floor)
            self.rows |= {row.seq: row.id for row in batch.rows}
            self.notices += [row for row in batch.rows if isinstance(row, wire.NoticeRow)]
            if self.acknowledge:
                highest = max(row.seq for row in batch.rows)
                ack = wire.Ack(
                    base=BASE,
                    journal=batch.journal,
                    batches=(wire.digest(message.payload),),
                    seq=0,
                    missing=self.progress.gaps_below(highest, 32),
                )
                client.publish(wire.topic(site, device, "ack"), ack.to_bytes(), qos=1)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        for name in ("on_connect", "on_subscribe", "on_message"):  # else its sockets stay open until garbage collection
            setattr(self._client, name, None)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db", Owner("s", "d"))
    yield journal
    journal.close()


@pytest.fixture
def start_worker(journal: Journal) -> Iterator[Callable[..., DeliveryWorker]]:
    workers: list[DeliveryWorker] = []

    def start(port: int, **settings: object) -> DeliveryWorker:
        mqtt = MqttSettings.model_validate({"host": "127.0.0.1", "port": port, "resend_s": 0.3, **settings})
        config = Config(device=DeviceSettings(site="s", name="d"), mqtt=mqtt)
        index = ClipIndex(journal.database)
        clips = ClipUploader(
            ClipFinder(index, config.clips_path, config.clips, config.audio), index, config.clips, config.device, UTC
        )
        worker = DeliveryWorker(journal, config.device, mqtt, wire.Status(state="online"), clips)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


@pytest.fixture
def base(broker: Broker) -> Iterator[FakeBase]:
    base = FakeBase(broker.port)
    yield base
    base.stop()


def store_events(journal: Journal, count: int) -> set[UUID]:
    there = events(count)
    journal.commit(there, [effort()], PROVENANCE)
    return {event.id for event in there}


def is_drained(journal: Journal) -> bool:
    return journal.outbox.pending_count() == 0


def test_every_row_arrives_and_leaves_the_outbox(
    journal: Journal, broker: Broker, base: FakeBase, start_worker: Callable[..., DeliveryWorker]
) -> None:
    ids = store_events(journal, 500)
    start_worker(broker.port)
    eventually(lambda: is_drained(journal))
    assert ids <= set(base.rows.values())
    assert sorted(base.rows) == list(range(1, 502))


def test_new_row_is_sent_after_wake(
    journal: Journal, broker: Broker, base: FakeBase, start_worker: Callable[..., DeliveryWorker]
) -> None:
    worker = start_worker(broker.port)
    eventually(lambda: worker.problem is None)
    store_events(journal, 1)
    worker.wake()
    eventually(lambda: is_drained(journal))


def test_rows_stay_until_the_base_acknowledges(
    journal: Journal, broker: Broker, base: FakeBase, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base.acknowledge = False
    store_events(journal, 3)
    worker = start_worker(broker.port)
    eventually(lambda: base.messages >= 3)  # sent several times
    assert journal.outbox.pending_count() == 4
    eventually(lambda: "no acknowledgement from the base station" in (worker.problem or ""))
    base.acknowledge = True
    eventually(lambda: is_drained(journal))


def test_rows_wait_for_a_subscriber(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    ids = store_events(journal, 3)
    worker = start_worker(broker.port)
    eventually(lambda: "No matching subscribers" in (worker.problem or ""))
    assert journal.outbox.pending_count() == 4
    base = FakeBase(broker.port)
    eventually(lambda: is_drained(journal))
    assert ids <= set(base.rows.values())
    base.stop()


def test_rows_wait_for_a_broker_that_starts_later(
    journal: Journal, tmp_path: Path, start_worker: Callable[..., DeliveryWorker]
) -> None:
    ids = store_events(journal, 3)
    broker = Broker(tmp_path, free_port())
    worker = start_worker(broker.port)
    eventually(lambda: "refused" in (worker.problem or ""))
    broker.start()
    base = FakeBase(broker.port)
    eventually(lambda: is_drained(journal))
    assert ids <= set(base.rows.values())
    base.stop()
    broker.stop()


def test_killed_broker_loses_no_row(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base = FakeBase(broker.port, acknowledge=False)
    ids = store_events(journal, 200)
    worker = start_worker(broker.port)
    eventually(lambda: len(base.rows) == 201)  # all acknowledged by the broker, none by the base
    base.stop()
    broker.kill()
    eventually(lambda: worker.problem is not None)
    ids |= store_events(journal, 50)
    broker.start()
    base = FakeBase(broker.port)
    eventually(lambda: is_drained(journal))
    assert ids <= set(base.rows.values())
    base.stop()


def test_broker_delivery_needs_only_a_puback(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    subscriber = FakeBase(broker.port, acknowledge=False)
    store_events(journal, 120)
    start_worker(broker.port, delivery="broker")
    eventually(lambda: is_drained(journal))
    assert len(subscriber.rows) == 121
    subscriber.stop()


def test_batches_are_smaller_than_max_packet_size(
    journal: Journal, tmp_path: Path, start_worker: Callable[..., DeliveryWorker]
) -> None:
    broker = Broker(tmp_path, free_port(), settings="allow_anonymous true\nmax_packet_size 3000\n")
    broker.start()
    base = FakeBase(broker.port)
    ids = store_events(journal, 40)
    start_worker(broker.port)
    eventually(lambda: is_drained(journal))
    assert ids <= set(base.rows.values())
    base.stop()
    broker.stop()


@pytest.mark.parametrize(
    ("limit", "reason"), [("max_packet_size 1500", "max_packet_size"), ("message_size_limit 1500", "connection lost")]
)
def test_oversize_row_becomes_a_dead_letter_and_others_arrive(
    journal: Journal, tmp_path: Path, start_worker: Callable[..., DeliveryWorker], limit: str, reason: str
) -> None:
    broker = Broker(tmp_path, free_port(), settings=f"allow_anonymous true\n{limit}\n")
    broker.start()
    base = FakeBase(broker.port)
    # Random, or compression would make it small.
    name = "".join(map(chr, random.Random(0).sample(range(0x4E00, 0x9FFF), 500)))
    small, large = store_events(journal, 2), replace(events(1)[0], recording_name=name)
    journal.commit([large], [], PROVENANCE)  # row 4, after two events and an effort
    small |= store_events(journal, 2)
    worker = start_worker(broker.port)
    while not base.notices:  # each row that is accepted lets the large one be tried again
        small |= store_events(journal, 1)
        worker.wake()
        eventually(lambda ids=small: ids <= set(base.rows.values()) and not worker._poison_rows.is_searching)
    eventually(lambda: is_drained(journal))
    assert large.id not in base.rows.values()
    (notice,) = base.notices
    assert (notice.what, notice.detail.split(": ")[0]) == ("row_refused", f"event {large.id}")
    assert reason in notice.detail
    journal.outbox.resend(None)
    assert large.id in {row.id for row in [each.row for each in journal.outbox.pending(0, 99)]}
    base.stop()
    broker.stop()


def test_foreign_or_early_acknowledgement_is_ignored(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base = FakeBase(broker.port, acknowledge=False)
    store_events(journal, 3)
    start_worker(broker.port)
    eventually(lambda: base.messages)
    for ack in (wire.Ack(base=BASE, journal=uuid4(), seq=4).to_bytes(), b"{}", b"\xff", b""):
        base._client.publish("anura/v1/s/d/ack", ack, qos=1)
    store_events(journal, 1)  # rows 5 and 6, which the base claims to have before they are sent
    before = base.messages
    eventually(lambda: base.messages > before + 1)
    assert journal.outbox.pending_count() == 6
    base.stop()


def test_status_is_online_and_then_offline(
    journal: Journal, broker: Broker, base: FakeBase, start_worker: Callable[..., DeliveryWorker]
) -> None:
    worker = start_worker(broker.port)
    eventually(lambda: base.statuses[-1:] == ["online"])
    worker.stop()
    eventually(lambda: base.statuses[-1:] == ["offline"])


def test_wrong_password_is_reported_but_not_logged(
    journal: Journal, tmp_path: Path, start_worker: Callable[..., DeliveryWorker], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "users").write_text("")
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery staple\n")
    broker = Broker(tmp_path, free_port(), settings=f"allow_anonymous false\npassword_file {tmp_path / 'users'}\n")
    broker.start()
    with caplog.at_level(logging.DEBUG):
        worker = start_worker(broker.port, username="u", password_file=str(secret))
        eventually(lambda: "refuses us" in (worker.problem or ""))
    assert "correct horse" not in caplog.text
    broker.stop()


def test_many_wakes_do_not_prevent_the_connection(
    journal: Journal, broker: Broker, base: FakeBase, start_worker: Callable[..., DeliveryWorker]
) -> None:
    worker = start_worker(broker.port)
    for _ in range(2_000):
        worker.wake()
    eventually(lambda: worker.problem is None)


@pytest.mark.parametrize("host", ["base..local", "127.0.0.1.invalid"])
def test_unresolvable_host_does_not_end_the_worker(
    journal: Journal, start_worker: Callable[..., DeliveryWorker], host: str
) -> None:
    worker = start_worker(1, host=host)
    eventually(lambda: host in (worker.problem or ""))
    assert worker._thread.is_alive()


def test_newest_events_go_before_the_ordered_backlog(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    for _ in range(30):
        store_events(journal, 99)
    base = FakeBase(broker.port)
    start_worker(broker.port, resend_s=3_600)
    eventually(lambda: is_drained(journal))
    arrived = [*base.rows]
    newest, backlog = arrived[:20], [seq for seq in arrived[20:] if seq % 100]
    assert newest == [*range(2_980, 3_000)]
    assert backlog == [seq for seq in range(1, 2_980) if seq % 100]
    base.stop()


def test_lost_batch_is_sent_again_at_once(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base = FakeBase(broker.port, lose=1)
    ids = store_events(journal, 1_000)
    start_worker(broker.port, resend_s=3_600)
    eventually(lambda: is_drained(journal))
    assert ids <= set(base.rows.values())
    base.stop()


def test_refused_row_becomes_a_dead_letter(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base = FakeBase(broker.port)
    bad = replace(events(1)[0], label="BAD")
    good = store_events(journal, 50)
    journal.commit([bad], [], PROVENANCE)
    good |= store_events(journal, 50)
    worker = start_worker(broker.port, resend_s=3_600)
    eventually(lambda: good <= set(base.rows.values()))
    good |= store_events(journal, 1)
    worker.wake()
    eventually(lambda: is_drained(journal))
    assert good <= set(base.rows.values())
    assert bad.id not in base.rows.values()
    assert [notice.detail for notice in base.notices] == [f"event {bad.id}: the base station says: rows: not BAD"]
    base.stop()


def test_base_that_refuses_all_rows_gets_no_dead_letter(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base = FakeBase(broker.port, refuses_all=True)
    store_events(journal, 50)
    worker = start_worker(broker.port)
    eventually(lambda: "all rows are refused" in (worker.problem or ""))
    assert journal.outbox.pending_count() == 51
    base.refuses_all = False
    eventually(lambda: is_drained(journal))
    assert not base.notices
    base.stop()


def test_unauthorised_kind_waits_and_others_arrive(
    journal: Journal, tmp_path: Path, start_worker: Callable[..., DeliveryWorker]
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic readwrite #\ntopic deny anura/v1/s/d/effort\n")
    broker = Broker(tmp_path, free_port(), settings=f"allow_anonymous true\nacl_file {rules}\n")
    broker.start()
    base = FakeBase(broker.port)
    ids = store_events(journal, 300)
    worker = start_worker(broker.port)
    eventually(lambda: ids <= set(base.rows.values()))
    eventually(lambda: "Not authorized" in (worker.problem or ""))
    eventually(lambda: journal.outbox.pending_count() == 1)
    rules.write_text("topic readwrite #\n")
    assert broker.process
    broker.process.send_signal(signal.SIGHUP)
    eventually(lambda: is_drained(journal))
    assert not base.notices
    base.stop()
    broker.stop()


def test_silent_broker_is_disconnected(
    journal: Journal, broker: Broker, start_worker: Callable[..., DeliveryWorker]
) -> None:
    base = FakeBase(broker.port)
    worker = start_worker(broker.port, keepalive_s=5)
    eventually(lambda: worker.problem is None)
    assert broker.process
    broker.process.send_signal(signal.SIGSTOP)  # TCP stays open, as after a cut link
    store_events(journal, 3)
    worker.wake()
    eventually(lambda: worker.problem is not None)
    broker.process.send_signal(signal.SIGCONT)
    eventually(lambda: is_drained(journal))
    base.stop()


def test_two_devices_of_one_name_are_reported(
    journal: Journal, broker: Broker, base: FakeBase, start_worker: Callable[..., DeliveryWorker]
) -> None:
    workers = [start_worker(broker.port) for _ in range(2)]
    eventually(lambda: any("give each its own" in (worker.problem or "") for worker in workers))
    store_events(journal, 10)
    eventually(lambda: is_drained(journal))
