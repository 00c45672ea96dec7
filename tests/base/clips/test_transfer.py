"""A clip is stored as it was sent, or not at all, and no message of a device costs more than its share."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from anura_base.clips import blobs, decode, transfer
from anura_base.clips.tables import clip_parts, clips
from anura_base.config.settings import ClipSettings
from anura_base.db.engine import open_database
from anura_base.db.schema import dead_letters, events, metadata, superseded_rows
from anura_edge.errors import DeliveryError
from anura_edge.wire import ClipDenial, ClipPart, ClipSettled, ClipWanted, batch, pack

Make = Callable[..., Any]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database of each kind. The tests roll their changes back."""
    sqlite = request.param == "sqlite"
    path = tmp_path_factory.mktemp("shared") / "base.db"
    engine = open_database(f"sqlite:///{path}" if sqlite else request.getfixturevalue("postgresql").url)
    yield engine
    if not sqlite:
        metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def connection(shared: Engine) -> Iterator[Connection]:
    with shared.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def device(connection: Connection, clip_devices: Make) -> Any:
    return clip_devices(connection)


def count(connection: Connection, table: Any) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


step = st.sampled_from(["next", "next", "lost", "twice", "any", "ask", "other"])
steps = st.lists(st.tuples(step, st.integers(0)), max_size=25)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=steps, lengths=st.lists(st.integers(400, 2_500), min_size=1))
def test_loss_repetition_and_any_order_give_the_file_or_none(
    shared: Engine, make: Any, flac: Make, clip_devices: Make, steps: list[tuple[str, int]], lengths: list[int]
) -> None:
    versions = [flac(seed=1), flac(seed=2)]
    with shared.connect() as connection, connection.begin() as transaction:
        device = clip_devices(connection)
        event = device.add_event(make.event(1))
        device.request(event)
        sent_parts: list[ClipPart] = []
        """Messages that the base station has not received yet."""
        number_sent, version = 0, 0

        def answer(commands: list[Any]) -> None:
            nonlocal number_sent
            for request in commands:
                if isinstance(request, ClipWanted):
                    file, number_sent = versions[version], number_sent + 1
                    offset = request.offset if request.sha256 in (None, hashlib.sha256(file).hexdigest()) else 0
                    sent_parts.append(device.part(event, file, offset, lengths[number_sent % len(lengths)]))

        def next_request() -> ClipWanted:
            return ClipWanted.from_bytes(transfer.next_request(device.stored(event))[1])

        def stored_bytes() -> bytes:
            found = blobs.read_file(connection, device.stored(event))
            assert any(each.startswith(found) for each in versions), "the stored bytes are the beginning of a file"
            return found

        for step, number in steps:
            if step == "ask" or not sent_parts:
                answer([next_request()])
            elif step == "other":  # the device restarts and encodes the same audio differently
                version = 1
            elif step == "lost":
                sent_parts.pop(0)
            elif step == "twice":
                answer(device.send_message(sent_parts[0], sent_parts.pop(0)))
            else:
                answer(device.send_message(sent_parts.pop(number % len(sent_parts) if step == "any" else 0)))
            assert len(sent_parts) <= 3 + sum(step in ("ask", "twice") for step, _ in steps), (
                "repeated messages do not multiply"
            )
            if device.stored(event).state == "here":
                assert stored_bytes() in versions
            stored_bytes()
        sent_parts.clear()
        while device.stored(event).state != "here":  # from here on no message is lost
            answer([next_request()])
            answer(device.send_message(sent_parts.pop()))
        assert stored_bytes() in versions
        transaction.rollback()


def test_complete_clip_is_stored_and_settled(device: Any, make: Any, flac: Make) -> None:
    event, file = device.add_event(make.event(1)), flac()
    device.request(event)
    (request,) = device.send_message(device.part(event, file, 0, 1_000))
    assert (request.offset, request.sha256) == (1_000, hashlib.sha256(file).hexdigest())
    assert (device.stored(event).state, device.stored(event).came) == ("coming", 1_000)
    (settled,) = device.send_file(event, file)
    assert settled == ClipSettled(command="clip_settled", event=event)
    clip = device.stored(event)
    assert (clip.state, clip.size, clip.rate_hz, clip.samples) == ("here", len(file), 22_050, 2_205)
    assert device.send_message(device.part(event, file, 0, 1_000)) == [settled], (
        "the device may have missed the first one"
    )


def test_two_events_in_one_file_share_it(device: Any, make: Any, flac: Make) -> None:
    file, (first, second, third) = flac(), [device.add_event(make.event(seq)) for seq in (1, 2, 3)]
    for event in (first, second):
        device.request(event)
    device.send_message(device.part(first, file, 0, 1_000))
    (request,) = device.send_message(device.part(second, file, 0, 1_000))
    assert (request.event, request.offset) == (second, 1_000)
    assert {each.event for each in device.send_file(first, file)} == {first, second}
    device.request(third)
    assert [each.event for each in device.send_message(device.part(third, file, 0, 1_000))] == [third]
    assert {device.stored(event).state for event in (first, second, third)} == {"here"}
    assert blobs.total_bytes(device.connection) == len(file)


def test_next_clip_is_requested_after_storage_or_denial(device: Any, make: Any, flac: Make) -> None:
    first, second, third = (device.add_event(make.event(seq)) for seq in (1, 2, 3))
    for event in (first, second, third):
        device.request(event)
    *_, request = device.send_file(first, flac())
    assert (request.event, request.offset) == (second, 0)
    (request,) = device.send_message(ClipDenial(event=second, why="gone", detail="no such file"))
    assert (request.event, device.stored(second).state, device.stored(second).detail) == (third, "gone", "no such file")
    assert device.send_message(ClipDenial(event=third, why="later", detail="tomorrow")) == []
    assert (device.stored(third).state, device.stored(third).detail) == ("asked", "tomorrow")
    device.request(second)
    assert (device.stored(second).state, device.stored(second).detail) == ("asked", "")


def test_offer_is_accepted_for_a_stored_event_only(device: Any, make: Any, flac: Make, clip_devices: Make) -> None:
    event, file = device.add_event(make.event(1)), flac()
    (settled,) = device.send_message(device.part(unknown := uuid4(), file, 0, 0))
    assert settled == ClipSettled(command="clip_settled", event=unknown)
    (request,) = device.send_message(device.part(event, file, 0, 0))
    assert (request.event, request.offset, device.stored(event).asked_by) == (event, 0, "")
    device.send_file(event, file)
    assert device.stored(event).state == "here"
    stranger = clip_devices(device.connection, device="stranger")
    for length in (0, 1_000):
        assert isinstance(stranger.send_message(stranger.part(event, flac(seed=9), 0, length))[0], ClipSettled)
    assert blobs.read_file(device.connection, device.stored(event)) == file


def test_unrequested_part_is_not_stored(device: Any, make: Any, flac: Make) -> None:
    event = device.add_event(make.event(1))
    assert isinstance(device.send_message(device.part(event, flac(), 0, 1_000))[0], ClipSettled)
    assert count(device.connection, clip_parts) == count(device.connection, clips) == 0


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"RIFF" + bytes(2_000), "not a FLAC file"),
        (b"fLaC" + bytes(2_000), "cannot be decoded"),
        ("loud", "its header has"),
        ("wrong", "hash of the file"),
    ],
)
def test_invalid_file_is_refused_and_deleted(
    device: Any, make: Any, flac: Make, file: bytes | str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, changes = device.add_event(make.event(1)), {}
    device.request(event)
    if file == "loud":
        monkeypatch.setattr(decode, "MAX_S", 0.01)
    if file == "wrong":
        changes = {"sha256": "0" * 64}
    file = file if isinstance(file, bytes) else flac()
    for offset in range(0, len(file), 1_000):
        device.send_message(device.part(event, file, offset, 1_000, **changes))
    clip = device.stored(event)
    assert clip.state == "refused"
    assert reason in clip.detail
    assert count(device.connection, clip_parts) == 0
    device.request(event)
    assert device.stored(event).state == "asked", "a user can request it again"


@pytest.mark.parametrize("changes", [{"size": 1_500}, {"size": 6_000}, {"data": bytes(9_000)}])
def test_contradicting_part_becomes_a_dead_letter(device: Any, make: Any, flac: Make, changes: dict[str, Any]) -> None:
    event, file = device.add_event(make.event(1)), flac()
    device.request(event)
    device.send_message(device.part(event, file, 0, 1_000))
    assert device.send_message(device.part(event, file, 1_000, 1_000, **changes)) == []
    assert count(device.connection, dead_letters) == 1
    assert device.stored(event).came == 1_000


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff" * 900, b'{"event": "x"}', pack(b" " * 2_000_000), b'{"schema": "anura/2"}'],
)
def test_unreadable_message_becomes_a_dead_letter(device: Any, payload: bytes) -> None:
    assert device.send_raw("clip", payload) == []
    assert count(device.connection, dead_letters) == 1


def test_part_with_invalid_field_becomes_a_dead_letter(device: Any, make: Any, flac: Make) -> None:
    event = device.add_event(make.event(1))
    device.request(event)
    for changes in ({"size": 10**12}, {"data": bytes(16_001)}, {"first_sample": -1}, {"sha256": "../" * 21}):
        assert device.send_message(device.part(event, flac(), 0, 1_000, **changes)) == []
    assert count(device.connection, dead_letters) == 4
    assert device.stored(event).came == 0


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ClipSettings(max_mb=1, max_mb_per_device=9), "all devices"),
        (ClipSettings(max_mb=9, max_mb_per_device=1), "of this device"),
    ],
)
def test_file_above_the_size_limit_is_refused(
    device: Any, make: Any, flac: Make, limits: ClipSettings, reason: str
) -> None:
    device.limits = limits
    first, second, third = (device.add_event(make.event(seq)) for seq in (1, 2, 3))
    file = flac()
    for event in (first, second, third):
        device.request(event)
    device.send_file(first, file)
    device.send_message(device.part(second, flac(seed=2), 0, 1_000, size=1_000_000 - len(file) // 2))
    assert (device.stored(second).state, device.stored(first).state) == ("refused", "here")
    assert reason in device.stored(second).detail
    device.send_file(third, flac(seed=3))
    assert device.stored(third).state == "here", "a smaller file has room"


def test_unfinished_clips_of_one_device_are_limited(
    device: Any, make: Any, flac: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_OPEN", 3)
    rows = [device.add_event(make.event(seq)) for seq in range(1, 6)]
    for event in rows:
        device.send_message(device.part(event, flac(), 0, 0))
    assert count(device.connection, clips) == 3
    with pytest.raises(DeliveryError, match="unfinished clips"):
        device.request(rows[4])


def test_event_keeps_its_clip_while_its_analysis_may_count_again(device: Any, make: Any, flac: Make) -> None:
    row, journal = make.event(1), UUID(int=1)
    device.send_raw("event", batch(journal, 1, [row]))
    device.request(row.id)
    device.send_file(row.id, flac())
    device.send_raw("event", batch(journal, 1, [make.event(2, analysis=UUID(int=5))]))
    blobs.delete_orphans(device.connection)  # as retention does
    assert count(device.connection, events) == count(device.connection, clips) == 1
    device.connection.execute(superseded_rows.delete())  # by retention
    blobs.delete_orphans(device.connection)
    assert count(device.connection, clips) == count(device.connection, clip_parts) == 0
