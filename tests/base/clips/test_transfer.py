"""A clip is here as it was sent, or not at all, and nothing that a device says costs more than its share."""

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
from anura_base.config.settings import Clips
from anura_base.db.engine import open_database
from anura_base.db.schema import dead_letters, metadata
from anura_edge.errors import DeliveryError
from anura_edge.wire import ClipDenial, ClipPart, ClipSettled, ClipWanted, batch, pack

Make = Callable[..., Any]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database of either kind for tests that leave nothing in it."""
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
def speaker(connection: Connection, speakers: Make) -> Any:
    return speakers(connection)


def count(connection: Connection, table: Any) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


fate = st.sampled_from(["next", "next", "lost", "twice", "any", "ask", "other"])
fates = st.lists(st.tuples(fate, st.integers(0)), max_size=25)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(fates=fates, lengths=st.lists(st.integers(400, 2_500), min_size=1))
def test_any_order_loss_and_repetition_gives_the_file_or_none(
    shared: Engine, make: Any, flac: Make, speakers: Make, fates: list[tuple[str, int]], lengths: list[int]
) -> None:
    versions = [flac(seed=1), flac(seed=2)]
    with shared.connect() as connection, connection.begin() as transaction:
        speaker = speakers(connection)
        event = speaker.call(make.event(1))
        speaker.ask(event)
        air: list[ClipPart] = []
        """What is on its way to the base station."""
        sent, version = 0, 0

        def obey(commands: list[Any]) -> None:
            nonlocal sent
            for wanted in commands:
                if isinstance(wanted, ClipWanted):
                    file, sent = versions[version], sent + 1
                    offset = wanted.offset if wanted.sha256 in (None, hashlib.sha256(file).hexdigest()) else 0
                    air.append(speaker.part(event, file, offset, lengths[sent % len(lengths)]))

        def here() -> bytes:
            found = blobs.read(connection, speaker.clip(event))
            assert any(each.startswith(found) for each in versions), "what is here is the beginning of a file"
            return found

        for fate, number in fates:
            if fate == "ask" or not air:
                obey(
                    [command for _, payload in [transfer.wanted(speaker.clip(event))] for command in [_wanted(payload)]]
                )
            elif fate == "other":  # the device was restarted, and encodes the same audio in another way
                version = 1
            elif fate == "lost":
                air.pop(0)
            elif fate == "twice":
                obey(speaker.say(air[0], air.pop(0)))
            else:
                obey(speaker.say(air.pop(number % len(air) if fate == "any" else 0)))
            assert len(air) <= 3 + sum(fate in ("ask", "twice") for fate, _ in fates), "doubled ones do not multiply"
            if speaker.clip(event).state == "here":
                assert here() in versions
            here()
        air.clear()
        while speaker.clip(event).state != "here":  # in the end nothing is lost any more
            obey([_wanted(transfer.wanted(speaker.clip(event))[1])])
            obey(speaker.say(air.pop()))
        assert here() in versions
        transaction.rollback()


def _wanted(payload: bytes) -> ClipWanted:
    return ClipWanted.from_bytes(payload)


def test_a_clip_comes_piece_by_piece_and_is_settled_in_the_end(speaker: Any, make: Any, flac: Make) -> None:
    event, file = speaker.call(make.event(1)), flac()
    speaker.ask(event)
    (wanted,) = speaker.say(speaker.part(event, file, 0, 1_000))
    assert (wanted.offset, wanted.sha256) == (1_000, hashlib.sha256(file).hexdigest())
    assert (speaker.clip(event).state, speaker.clip(event).came) == ("coming", 1_000)
    (settled,) = speaker.send(event, file)
    assert settled == ClipSettled(command="clip_settled", event=event)
    clip = speaker.clip(event)
    assert (clip.state, clip.size, clip.rate_hz, clip.samples) == ("here", len(file), 22_050, 2_205)
    assert speaker.say(speaker.part(event, file, 0, 1_000)) == [settled], "the device may not have heard it"


def test_two_calls_in_one_file_need_it_once(speaker: Any, make: Any, flac: Make) -> None:
    file, (first, second, third) = flac(), [speaker.call(make.event(seq)) for seq in (1, 2, 3)]
    for event in (first, second):
        speaker.ask(event)
    speaker.say(speaker.part(first, file, 0, 1_000))
    (wanted,) = speaker.say(speaker.part(second, file, 0, 1_000))
    assert (wanted.event, wanted.offset) == (second, 1_000)
    assert {each.event for each in speaker.send(first, file)} == {first, second}
    speaker.ask(third)
    assert [each.event for each in speaker.say(speaker.part(third, file, 0, 1_000))] == [third]
    assert {speaker.clip(event).state for event in (first, second, third)} == {"here"}
    assert blobs.sizes(speaker.connection) == len(file)


def test_the_next_clip_is_asked_for_when_one_is_here_or_denied(speaker: Any, make: Any, flac: Make) -> None:
    first, second, third = (speaker.call(make.event(seq)) for seq in (1, 2, 3))
    for event in (first, second, third):
        speaker.ask(event)
    *_, wanted = speaker.send(first, flac())
    assert (wanted.event, wanted.offset) == (second, 0)
    (wanted,) = speaker.say(ClipDenial(event=second, why="gone", detail="no such file"))
    assert (wanted.event, speaker.clip(second).state, speaker.clip(second).detail) == (third, "gone", "no such file")
    assert speaker.say(ClipDenial(event=third, why="later", detail="tomorrow")) == []
    assert (speaker.clip(third).state, speaker.clip(third).detail) == ("asked", "tomorrow")
    speaker.ask(second)
    assert (speaker.clip(second).state, speaker.clip(second).detail) == ("asked", "")


def test_an_offer_of_a_call_that_is_known_is_taken_up_and_others_are_settled(
    speaker: Any, make: Any, flac: Make, speakers: Make
) -> None:
    event, file = speaker.call(make.event(1)), flac()
    (settled,) = speaker.say(speaker.part(unknown := uuid4(), file, 0, 0))
    assert settled == ClipSettled(command="clip_settled", event=unknown)
    (wanted,) = speaker.say(speaker.part(event, file, 0, 0))
    assert (wanted.event, wanted.offset, speaker.clip(event).asked_by) == (event, 0, "")
    speaker.send(event, file)
    assert speaker.clip(event).state == "here"
    stranger = speakers(speaker.connection, device="stranger")
    for length in (0, 1_000):
        assert isinstance(stranger.say(stranger.part(event, flac(seed=9), 0, length))[0], ClipSettled)
    assert blobs.read(speaker.connection, speaker.clip(event)) == file


def test_what_nobody_asked_for_is_not_kept(speaker: Any, make: Any, flac: Make) -> None:
    event = speaker.call(make.event(1))
    assert isinstance(speaker.say(speaker.part(event, flac(), 0, 1_000))[0], ClipSettled)
    assert count(speaker.connection, clip_parts) == count(speaker.connection, clips) == 0


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"RIFF" + bytes(2_000), "no FLAC file"),
        (b"fLaC" + bytes(2_000), "cannot be decoded"),
        ("loud", "its head says"),
        ("wrong", "its hash is another"),
    ],
)
def test_what_is_no_clip_is_refused_and_leaves_nothing(
    speaker: Any, make: Any, flac: Make, file: bytes | str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, changes = speaker.call(make.event(1)), {}
    speaker.ask(event)
    if file == "loud":
        monkeypatch.setattr(decode, "MAX_S", 0.01)
    if file == "wrong":
        changes = {"sha256": "0" * 64}
    file = file if isinstance(file, bytes) else flac()
    for offset in range(0, len(file), 1_000):
        speaker.say(speaker.part(event, file, offset, 1_000, **changes))
    clip = speaker.clip(event)
    assert clip.state == "refused"
    assert reason in clip.detail
    assert count(speaker.connection, clip_parts) == 0
    speaker.ask(event)
    assert speaker.clip(event).state == "asked", "a person may try again"


@pytest.mark.parametrize("changes", [{"size": 1_500}, {"size": 6_000}, {"data": bytes(9_000)}])
def test_a_device_that_contradicts_itself_is_set_aside(
    speaker: Any, make: Any, flac: Make, changes: dict[str, Any]
) -> None:
    event, file = speaker.call(make.event(1)), flac()
    speaker.ask(event)
    speaker.say(speaker.part(event, file, 0, 1_000))
    assert speaker.say(speaker.part(event, file, 1_000, 1_000, **changes)) == []
    assert count(speaker.connection, dead_letters) == 1
    assert speaker.clip(event).came == 1_000


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff" * 900, b'{"event": "x"}', pack(b" " * 2_000_000), b'{"schema": "anura/2"}'],
)
def test_nonsense_is_set_aside_without_an_answer(speaker: Any, payload: bytes) -> None:
    assert speaker.raw("clip", payload) == []
    assert count(speaker.connection, dead_letters) == 1


def test_a_size_or_piece_beyond_all_reason_is_no_message(speaker: Any, make: Any, flac: Make) -> None:
    event = speaker.call(make.event(1))
    speaker.ask(event)
    for changes in ({"size": 10**12}, {"data": bytes(16_001)}, {"first_sample": -1}, {"sha256": "../" * 21}):
        assert speaker.say(speaker.part(event, flac(), 0, 1_000, **changes)) == []
    assert count(speaker.connection, dead_letters) == 4
    assert speaker.clip(event).came == 0


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Clips(max_mb=1, max_mb_per_device=9), "in all"), (Clips(max_mb=9, max_mb_per_device=1), "this device's")],
)
def test_what_has_no_room_is_refused_by_what_it_claims_and_what_is_here_stays(
    speaker: Any, make: Any, flac: Make, limits: Clips, reason: str
) -> None:
    speaker.limits = limits
    first, second, third = (speaker.call(make.event(seq)) for seq in (1, 2, 3))
    file = flac()
    for event in (first, second, third):
        speaker.ask(event)
    speaker.send(first, file)
    speaker.say(speaker.part(second, flac(seed=2), 0, 1_000, size=1_000_000 - len(file) // 2))
    assert (speaker.clip(second).state, speaker.clip(first).state) == ("refused", "here")
    assert reason in speaker.clip(second).detail
    speaker.send(third, flac(seed=3))
    assert speaker.clip(third).state == "here", "a smaller one has room"


def test_the_clips_that_one_device_has_on_their_way_are_bounded(
    speaker: Any, make: Any, flac: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_OPEN", 3)
    events = [speaker.call(make.event(seq)) for seq in range(1, 6)]
    for event in events:
        speaker.say(speaker.part(event, flac(), 0, 0))
    assert count(speaker.connection, clips) == 3
    with pytest.raises(DeliveryError, match="on their way"):
        speaker.ask(events[4])


def test_a_call_that_is_taken_back_takes_its_clip_along(speaker: Any, make: Any, flac: Make) -> None:
    row, journal = make.event(1), UUID(int=1)
    speaker.raw("event", batch(journal, 1, [row]))
    speaker.ask(row.id)
    speaker.send(row.id, flac())
    speaker.raw("notice", batch(journal, 1, [make.withdrawal(2)]))
    assert count(speaker.connection, clips) == count(speaker.connection, clip_parts) == 0
