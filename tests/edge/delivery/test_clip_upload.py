"""A clip is sent only on request or if allowed, part by part, and never before a row."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from support import DEADLINE_S, Broker, eventually

from anura_edge import wire
from anura_edge.clips.finder import ClipFinder
from anura_edge.clips.ranking import make_clip
from anura_edge.clips.store import to_flac
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import ClipSettings, MqttSettings
from anura_edge.delivery.clip_upload import MIN_PART_BYTES, ClipUploader
from anura_edge.delivery.events import CommandReceived, PubackReceived
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.events import Event
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal

FLAC = to_flac(np.random.default_rng(1).normal(0, 3_000, 40_000).astype(np.int16), 8_000)
"""Noise of 5 s: some 70 kB."""

MAX_PACKET = 100_000


class FakeConnection:
    """A connection that records what is published and how often the reader is woken."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, wire.ClipPart | wire.ClipDenial]] = []
        self.woken: SimpleQueue[None] = SimpleQueue()
        self._mid = 0

    def publish(self, topic: str, payload: bytes) -> int:
        assert topic == "anura/v1/s/d/clip"
        self._mid += 1
        self.sent.append((self._mid, wire.parse_clip(payload)))
        return self._mid

    def wake(self) -> None:
        self.woken.put(None)


class UploadingDevice:
    """An uploader with one journal and one folder of clips."""

    def __init__(self, folder: Path, journal: Journal, **clips: Any) -> None:
        device = DeviceSettings(site="s", name="d")
        self.config = Config(state_dir=folder, device=device, clips=ClipSettings.model_validate(clips))
        self.index = ClipIndex(journal.database)
        finder = ClipFinder(self.index, self.config.clips_path, self.config.clips, self.config.audio)
        self.uploader = ClipUploader(finder, self.index, self.config.clips, device, UTC)
        self.connect()

    def connect(self, max_packet: int = MAX_PACKET) -> None:
        self.connection = FakeConnection()
        connection: Any = self.connection
        self.uploader.begin(connection, max_packet)

    def save(self, event: wire.EventRow, utc: datetime, flac: bytes = FLAC) -> None:
        name = make_clip(utc, [(event.label, event.p_peak)]).name
        self.config.clips_path.mkdir(exist_ok=True)
        (self.config.clips_path / name).write_bytes(flac)
        self.index.add(name, 5, [event])

    def request(self, event: UUID, offset: int = 0, sha256: str | None = None) -> None:
        wanted = wire.ClipWanted(command="clip", event=event, offset=offset, sha256=sha256)
        self.uploader.handle(CommandReceived(wanted))

    def mark_done(self, event: UUID) -> None:
        self.uploader.handle(CommandReceived(wire.ClipSettled(command="clip_settled", event=event)))

    def next(self) -> wire.ClipPart | wire.ClipDenial:
        """Send the next message, and return it when the broker has acknowledged it."""
        self.uploader.send()
        while not self.connection.sent:
            self.connection.woken.get(timeout=DEADLINE_S)
            self.uploader.send()
        mid, message = self.connection.sent.pop()
        self.uploader.handle(PubackReceived(mid, accepted=True, reason="", blames_row=False))
        return message

    def sends_nothing(self) -> bool:
        self.uploader.send()
        return not self.connection.sent


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        yield journal


@pytest.fixture
def call(
    journal: Journal, make_event: Callable[..., Event], provenance: wire.Provenance
) -> Callable[..., wire.EventRow]:
    def make(n: int = 0, **changes: Any) -> wire.EventRow:
        (row,) = journal.commit([make_event(n, **changes)], [], provenance)
        assert isinstance(row, wire.EventRow)
        return row

    return make


@pytest.fixture
def device(tmp_path: Path, journal: Journal) -> Iterator[Callable[..., UploadingDevice]]:
    made: list[UploadingDevice] = []

    def make(**clips: Any) -> UploadingDevice:
        made.append(UploadingDevice(tmp_path, journal, **clips))
        return made[-1]

    yield make
    for each in made:
        each.uploader.close()


LONG_AGO = datetime(2026, 4, 12, 3, 0, tzinfo=UTC)


def test_clip_is_sent_part_by_part_on_request(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    received, sha256 = b"", None
    while len(received) < len(FLAC):
        one.request(event.id, len(received), sha256)
        part = one.next()
        assert isinstance(part, wire.ClipPart)
        assert (part.offset, part.size, part.first_sample) == (len(received), len(FLAC), 5)
        assert 0 < len(part.data) <= wire.MAX_PART_BYTES
        received, sha256 = received + part.data, part.sha256
    assert received == FLAC
    assert one.sends_nothing()


def test_one_part_is_in_flight_at_a_time(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, events = device(upload="on_request"), [call(n) for n in range(3)]
    for event in events:
        one.save(event, LONG_AGO)
        one.request(event.id)
    one.uploader.send()
    while not one.connection.sent:
        one.connection.woken.get(timeout=DEADLINE_S)
        one.uploader.send()
    for event in events:
        one.request(event.id)
        one.uploader.send()
    assert len(one.connection.sent) == 1
    one.uploader.handle(PubackReceived(one.connection.sent.pop()[0], accepted=True, reason="", blames_row=False))
    assert {one.next().event for _ in range(3)} == {event.id for event in events}
    assert one.sends_nothing(), "a repeated request is answered once"


def test_changed_file_is_sent_from_its_start(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    one.request(event.id, 16_000, "0" * 64)
    part = one.next()
    assert isinstance(part, wire.ClipPart)
    assert part.offset == 0


@pytest.mark.parametrize(("upload", "why"), [("off", "off"), ("on_request", "gone"), ("best", "gone")])
def test_missing_clip_is_denied_with_a_reason(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow], upload: str, why: str
) -> None:
    one, event = device(upload=upload), call()
    if upload == "off":
        one.save(event, LONG_AGO)
    for wanted in (event.id, uuid4()):
        one.request(wanted)
        denial = one.next()
        assert isinstance(denial, wire.ClipDenial)
        assert (denial.event, denial.why) == (wanted, why)
        assert denial.detail


def test_no_clip_is_offered_by_default(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    event = call()
    assert ClipSettings().upload == "off"
    for upload in ("off", "on_request"):
        one = device(upload=upload)
        one.save(event, LONG_AGO)
        assert one.sends_nothing()


def test_daily_budget_survives_a_restart(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    event = call()
    sent = 0
    for _ in range(2):
        one = device(upload="on_request", upload_mb_per_day=0.04)
        one.save(event, LONG_AGO)
        for _ in range(3):
            one.request(event.id, sent)
            part = one.next()
            if isinstance(part, wire.ClipDenial):
                assert (part.why, "0.04 MB" in part.detail) == ("later", True)
                break
            sent += len(part.data)
    assert 0.04e6 - wire.MAX_PART_BYTES < sent <= 0.04e6
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert one.index.reserve_bytes(40_000, 40_000, tomorrow)
    assert not one.index.reserve_bytes(1, 40_000, tomorrow)


def test_clips_of_past_nights_are_offered_until_done(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, old, older, tonight = device(upload="best"), call(1), call(2), call(3)
    one.save(old, LONG_AGO + timedelta(days=1))
    one.save(older, LONG_AGO)
    one.save(tonight, datetime.now(UTC))
    for event in (older, old):
        for _ in range(2):
            offer = one.next()
            assert isinstance(offer, wire.ClipPart)
            assert (offer.event, offer.offset, offer.data) == (event.id, 0, b"")
            assert one.sends_nothing(), "an offer is not repeated immediately"
            one.connect()
        one.mark_done(event.id)
    assert one.sends_nothing()
    another = device(upload="best")
    assert another.sends_nothing(), "a clip that is done stays done"
    another.request(old.id)
    assert isinstance(another.next(), wire.ClipPart), "and can be requested"


def test_deleted_clip_is_not_offered(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="best"), call()
    one.save(event, LONG_AGO)
    for file in one.config.clips_path.iterdir():
        file.unlink()
    assert one.sends_nothing()
    assert one.index.not_done() == []


def test_lost_connection_halves_the_part_size(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    sizes = []
    for _ in range(9):
        one.request(event.id)
        one.uploader.send()
        while not one.connection.sent:
            one.connection.woken.get(timeout=DEADLINE_S)
            one.uploader.send()
        part = one.connection.sent.pop()[1]
        assert isinstance(part, wire.ClipPart)
        sizes.append(len(part.data))
        one.connect()
    assert sizes[:3] == [16_000, 8_000, 4_000]
    assert sizes[-1] == MIN_PART_BYTES
    for _ in range(7):
        one.request(event.id)
        grown = one.next()
    assert isinstance(grown, wire.ClipPart)
    assert len(grown.data) == wire.MAX_PART_BYTES


def test_part_is_smaller_than_max_packet_size(
    device: Callable[..., UploadingDevice], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    one.connect(max_packet=1_024)
    one.request(event.id)
    part = one.next()
    assert len(wire.pack(part.to_bytes())) < 1_024 - 128


def test_rows_go_before_clip_parts(
    broker: Broker, tmp_path: Path, journal: Journal, call: Callable[..., wire.EventRow], subscribe: Callable[..., Any]
) -> None:
    event = call()
    mqtt = MqttSettings(host="127.0.0.1", port=broker.port, delivery="broker")
    config = Config(
        state_dir=tmp_path,
        device=DeviceSettings(site="s", name="d"),
        clips=ClipSettings(upload="on_request"),
        mqtt=mqtt,
    )
    (tmp_path / "clips").mkdir()
    name = make_clip(LONG_AGO, [("LOW", 0.9)]).name
    (tmp_path / "clips" / name).write_bytes(FLAC)
    ClipIndex(journal.database).add(name, 0, [event])
    messages = subscribe(broker.port, "anura/v1/#")
    index = ClipIndex(journal.database)
    clips = ClipUploader(
        ClipFinder(index, config.clips_path, config.clips, config.audio), index, config.clips, config.device, UTC
    )
    worker = DeliveryWorker(journal, config.device, mqtt, wire.Status(state="online"), clips)
    worker.start()
    eventually(lambda: worker.problem is None)

    def ask(offset: int) -> None:
        connection = worker._connection
        assert connection
        connection.events.put(CommandReceived(wire.ClipWanted(command="clip", event=event.id, offset=offset)))

    def kinds() -> list[str]:
        return [wire.parse_topic(message.topic)[2] for message in [*messages] if not message.topic.endswith("/status")]

    for round_ in range(1, 6):
        before = len(kinds())
        for n in range(50):
            call(1_000 * round_ + n)
        ask(0)
        worker.wake()
        eventually(lambda round_=round_: kinds().count("clip") == round_)
        eventually(lambda: journal.outbox.pending_count() == 0)
        received = kinds()[before:]
        assert received.index("clip") == len(received) - 1, "no part is sent while a row waits"
    worker.stop()
