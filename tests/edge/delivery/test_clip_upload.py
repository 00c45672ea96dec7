"""Audio goes out only when it is asked for or allowed, piece by piece, and never before a row."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import DEADLINE_S, Broker, eventually

from anura_edge import wire
from anura_edge.clips.finder import ClipFinder
from anura_edge.clips.ranking import make_clip
from anura_edge.clips.store import to_flac
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import ClipSettings, MqttSettings
from anura_edge.delivery.clip_upload import MIN_PART_BYTES, ClipUploader
from anura_edge.delivery.connection import CommandReceived, Published
from anura_edge.delivery.worker import DeliveryWorker
from anura_edge.events import Event
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal

FLAC = to_flac(np.random.default_rng(1).normal(0, 3_000, 40_000).astype(np.int16), 8_000)
"""Noise of 5 s: some 70 kB."""

MAX_PACKET = 100_000


class Air:
    """A link whose messages a test takes down."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, wire.ClipPart | wire.ClipDenial]] = []
        self._mid = 0

    def publish(self, topic: str, payload: bytes) -> int:
        assert topic == "anura/v1/s/d/clip"
        self._mid += 1
        self.sent.append((self._mid, wire.parse_clip(payload)))
        return self._mid


class Recorder:
    """A lane over one journal and one folder of clips."""

    def __init__(self, folder: Path, journal: Journal, **clips: Any) -> None:
        device = DeviceSettings(site="s", name="d")
        self.config = Config(state_dir=folder, device=device, clips=ClipSettings.model_validate(clips))
        self.notes = ClipIndex(journal)
        self._woken: SimpleQueue[None] = SimpleQueue()
        self.lane = ClipUploader(
            ClipFinder(self.notes, self.config.clips_path, self.config.clips, self.config.audio),
            self.notes,
            self.config,
            lambda: self._woken.put(None),
        )
        self.connect()

    def connect(self, max_packet: int = MAX_PACKET) -> None:
        self.air = Air()
        link: Any = self.air
        self.lane.begin(link, max_packet)

    def save(self, event: wire.EventRow, utc: datetime, flac: bytes = FLAC) -> None:
        name = make_clip(utc, [(event.label, event.p_peak)]).name
        self.config.clips_path.mkdir(exist_ok=True)
        (self.config.clips_path / name).write_bytes(flac)
        self.notes.note(name, 5, [event])

    def want(self, event: UUID, offset: int = 0, sha256: str | None = None) -> None:
        wanted = wire.ClipWanted(command="clip", event=event, offset=offset, sha256=sha256)
        self.lane.take(CommandReceived(wanted.to_bytes()))

    def settle(self, event: UUID) -> None:
        self.lane.take(CommandReceived(wire.ClipSettled(command="clip_settled", event=event).to_bytes()))

    def next(self) -> wire.ClipPart | wire.ClipDenial:
        """Let what is wanted be found and sent; return it once the broker has it."""
        self.lane.send()
        while not self.air.sent:
            self._woken.get(timeout=DEADLINE_S)
            self.lane.send()
        mid, message = self.air.sent.pop()
        self.lane.take(Published(mid, accepted=True, reason="", blames_row=False))
        return message

    def says_nothing(self) -> bool:
        self.lane.send()
        return not self.air.sent


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
def device(tmp_path: Path, journal: Journal) -> Iterator[Callable[..., Recorder]]:
    made: list[Recorder] = []

    def make(**clips: Any) -> Recorder:
        made.append(Recorder(tmp_path, journal, **clips))
        return made[-1]

    yield make
    for each in made:
        each.lane.close()


LONG_AGO = datetime(2026, 4, 12, 3, 0, tzinfo=UTC)


def test_a_clip_is_sent_piece_by_piece_as_it_is_asked_for(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    came, sha256 = b"", None
    while len(came) < len(FLAC):
        one.want(event.id, len(came), sha256)
        part = one.next()
        assert isinstance(part, wire.ClipPart)
        assert (part.offset, part.size, part.first_sample) == (len(came), len(FLAC), 5)
        assert 0 < len(part.data) <= wire.MAX_PART_BYTES
        came, sha256 = came + part.data, part.sha256
    assert came == FLAC
    assert one.says_nothing()


def test_one_piece_is_on_its_way_at_a_time(device: Callable[..., Recorder], call: Callable[..., wire.EventRow]) -> None:
    one, events = device(upload="on_request"), [call(n) for n in range(3)]
    for event in events:
        one.save(event, LONG_AGO)
        one.want(event.id)
    one.lane.send()
    while not one.air.sent:
        one._woken.get(timeout=DEADLINE_S)
        one.lane.send()
    for event in events:
        one.want(event.id)
        one.lane.send()
    assert len(one.air.sent) == 1
    one.lane.take(Published(one.air.sent.pop()[0], accepted=True, reason="", blames_row=False))
    assert {one.next().event for _ in range(3)} == {event.id for event in events}
    assert one.says_nothing(), "what was asked for twice is sent once"


def test_of_a_file_that_has_changed_the_first_piece_is_sent(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    one.want(event.id, 16_000, "0" * 64)
    part = one.next()
    assert isinstance(part, wire.ClipPart)
    assert part.offset == 0


@pytest.mark.parametrize(("upload", "why"), [("off", "off"), ("on_request", "gone"), ("best", "gone")])
def test_what_does_not_come_is_denied_with_the_reason(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow], upload: str, why: str
) -> None:
    one, event = device(upload=upload), call()
    if upload == "off":
        one.save(event, LONG_AGO)
    for wanted in (event.id, uuid4()):
        one.want(wanted)
        denial = one.next()
        assert isinstance(denial, wire.ClipDenial)
        assert (denial.event, denial.why) == (wanted, why)
        assert denial.detail


def test_nothing_leaves_unless_the_settings_say_so(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    event = call()
    assert ClipSettings().upload == "off"
    for upload in ("off", "on_request"):
        one = device(upload=upload)
        one.save(event, LONG_AGO)
        assert one.says_nothing()


def test_the_budget_of_a_day_outlives_the_program(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    event = call()
    sent = 0
    for _ in range(2):
        one = device(upload="on_request", upload_mb_per_day=0.04)
        one.save(event, LONG_AGO)
        for _ in range(3):
            one.want(event.id, sent)
            part = one.next()
            if isinstance(part, wire.ClipDenial):
                assert (part.why, "0.04 MB" in part.detail) == ("later", True)
                break
            sent += len(part.data)
    assert 0.04e6 - wire.MAX_PART_BYTES < sent <= 0.04e6
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert one.notes.spend(40_000, 40_000, tomorrow)
    assert not one.notes.spend(1, 40_000, tomorrow)


def test_the_best_of_nights_that_are_over_are_offered_until_they_are_settled(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
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
            assert one.says_nothing(), "a base that does not answer is left alone"
            one.connect()
        one.settle(event.id)
    assert one.says_nothing()
    another = device(upload="best")
    assert another.says_nothing(), "what is settled stays so"
    another.want(old.id)
    assert isinstance(another.next(), wire.ClipPart), "and can be asked for"


def test_a_clip_that_was_given_up_for_a_better_one_is_offered_no_more(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="best"), call()
    one.save(event, LONG_AGO)
    for file in one.config.clips_path.iterdir():
        file.unlink()
    assert one.says_nothing()
    assert one.notes.unsettled() == []


def test_a_connection_that_ends_at_a_piece_gets_smaller_ones_until_they_pass(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    sizes = []
    for _ in range(9):
        one.want(event.id)
        one.lane.send()
        while not one.air.sent:
            one._woken.get(timeout=DEADLINE_S)
            one.lane.send()
        part = one.air.sent.pop()[1]
        assert isinstance(part, wire.ClipPart)
        sizes.append(len(part.data))
        one.connect()
    assert sizes[:3] == [16_000, 8_000, 4_000]
    assert sizes[-1] == MIN_PART_BYTES
    for _ in range(7):
        one.want(event.id)
        grown = one.next()
    assert isinstance(grown, wire.ClipPart)
    assert len(grown.data) == wire.MAX_PART_BYTES


def test_a_piece_keeps_below_the_brokers_largest_packet(
    device: Callable[..., Recorder], call: Callable[..., wire.EventRow]
) -> None:
    one, event = device(upload="on_request"), call()
    one.save(event, LONG_AGO)
    one.connect(max_packet=1_024)
    one.want(event.id)
    part = one.next()
    assert len(wire.pack(part.to_bytes())) < 1_024 - 128


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.sampled_from([b"{}", b'{"command": "reboot"}', wire.pack(b" " * 2_000_000)]))
def test_no_command_stops_it(device: Callable[..., Recorder], payload: bytes) -> None:
    one = device(upload="on_request")
    one.lane.take(CommandReceived(payload))
    assert one.says_nothing()


def test_rows_go_before_pieces_and_each_waits_for_one_at_most(
    broker: Broker, tmp_path: Path, journal: Journal, call: Callable[..., wire.EventRow], hear_topic: Callable[..., Any]
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
    ClipIndex(journal).note(name, 0, [event])
    heard = hear_topic(broker.port, "anura/v1/#")
    worker = DeliveryWorker(journal, config, mqtt, wire.Status(state="online"))
    worker.start()
    eventually(lambda: worker.problem is None)

    def ask(offset: int) -> None:
        link = worker._link
        assert link
        link.notes.put(CommandReceived(wire.ClipWanted(command="clip", event=event.id, offset=offset).to_bytes()))

    def kinds() -> list[str]:
        return [wire.parse_topic(message.topic)[2] for message in [*heard] if not message.topic.endswith("/status")]

    for round_ in range(1, 6):
        before = len(kinds())
        for n in range(50):
            call(1_000 * round_ + n)
        ask(0)
        worker.wake()
        eventually(lambda round_=round_: kinds().count("clip") == round_)
        eventually(lambda: journal.pending_count() == 0)
        came = kinds()[before:]
        assert came.index("clip") == len(came) - 1, "no piece goes while a row waits"
    worker.stop()
