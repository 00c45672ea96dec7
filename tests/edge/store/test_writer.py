"""A journal without room costs time, not rows: with SQLite's own limit on a file's size."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from anura_edge.audio import ClockSource, Recording
from anura_edge.detection.pipeline import Heard
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind
from anura_edge.store import writer as keeper_module
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import HeardFile
from anura_edge.store.writer import Keeper
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Provenance

MANY = 2_000


class Room:
    """How many pages the journal's file may have."""

    def __init__(self, journal: Journal) -> None:
        self._db: sqlite3.Connection = journal._db

    def end(self) -> None:
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def begin(self) -> None:
        self._db.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
def shown() -> list[EventRow]:
    return []


@pytest.fixture
def keeper(tmp_path: Path, made_by: Provenance, shown: list[EventRow]) -> Iterator[Keeper]:
    journal = Journal(tmp_path / "journal.db")
    yield Keeper(journal, made_by, shown.append, lambda: None)
    journal.close()


@pytest.fixture
def room(keeper: Keeper) -> Room:
    return Room(keeper.journal)


def rows(keeper: Keeper) -> list[Any]:
    return [*keeper.journal.pending(0, 10_000)]


@pytest.fixture
def heard(make_event: Callable[..., Event], make_effort: Callable[..., Effort]) -> Callable[..., Heard]:
    """Make many calls of a recording, too many for what room is left in a page, and the effort behind them."""

    def make(recording: str, count: int = MANY) -> Heard:
        return Heard(tuple(make_event(n, recording) for n in range(count)), (make_effort(0, recording),))

    return make


def test_what_does_not_fit_waits_and_is_there_when_there_is_room(
    keeper: Keeper, room: Room, heard: Callable[..., Heard], shown: list[EventRow], recording: Recording
) -> None:
    room.end()
    keeper.keep([heard("a")], done=HeardFile(recording, 1_000, None, b"glance", is_whole=True))
    keeper.keep([heard("b", 1)])
    assert keeper.is_full
    assert (shown, rows(keeper), keeper.past_at_glance(b"glance")) == ([], [], None)
    keeper.try_again()
    assert keeper.is_full
    room.begin()
    keeper.try_again()
    assert not keeper.is_full
    assert keeper.past_at_glance(b"glance")
    assert [row.recording for row in shown] == ["a"] * MANY + ["b"]
    assert len(rows(keeper)) == MANY + 1 + 1 + 1
    assert keeper.summary.seconds["analysed"] == 2 * 1_000 / 8_000


def test_the_newest_survive_and_what_was_given_up_is_counted(
    keeper: Keeper, room: Room, heard: Callable[..., Heard], recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "MAX_WAITING_ROWS", MANY + 10)
    room.end()
    keeper.keep([heard("live")])
    keeper.keep([heard("card", 20)], done=HeardFile(recording, 1_000, None, b"glance", is_whole=True))
    keeper.keep([heard("newest", MANY)])
    room.begin()
    keeper.close()
    assert {row.recording for row in rows(keeper) if isinstance(row, EventRow)} == {"newest"}
    (notice,) = [row for row in rows(keeper) if isinstance(row, NoticeRow)]
    assert (notice.what, notice.amount) == (NoticeKind.ROWS_DROPPED, MANY + 1), "the card is heard again: no loss"
    assert not keeper.past_at_glance(b"glance")


@pytest.mark.parametrize(("most", "corrected"), [(10 * MANY, 2), (MANY + 3, 1)])
def test_a_time_that_becomes_known_on_a_full_disk_waits_for_its_turn(
    keeper: Keeper, room: Room, heard: Callable[..., Heard], make_effort: Callable[..., Effort],
    monkeypatch: pytest.MonkeyPatch, most: int, corrected: int,
) -> None:  # fmt: skip
    """It is not given up with the rows around it: what was committed before needs it."""
    monkeypatch.setattr(keeper_module, "MAX_WAITING_ROWS", most)
    unknown = [make_effort(n, "live", clock_source=ClockSource.UNKNOWN) for n in range(2)]
    keeper.keep([Heard(efforts=(unknown[0],))])
    room.end()
    keeper.keep([heard("older"), Heard(efforts=(unknown[1],))])
    keeper.notice(Notice(uuid4(), NoticeKind.CLOCK_KNOWN, unknown[0].start_utc, "", "live", 60.0))
    assert keeper.is_full
    keeper.keep([heard("newest", MANY + 2)])
    room.begin()
    keeper.try_again()
    live = [row for row in rows(keeper) if isinstance(row, EffortRow) and row.recording == "live"]
    time = unknown[0].start_utc + timedelta(seconds=60), ClockSource.SYSTEM
    assert [(row.start_utc, row.clock_source) for row in live] == [time] * corrected


def test_at_the_end_what_is_lost_is_said(
    keeper: Keeper, room: Room, heard: Callable[..., Heard], caplog: pytest.LogCaptureFixture
) -> None:
    room.end()
    keeper.keep([heard("a")])
    keeper.close()
    assert f"{MANY + 1} rows are lost" in caplog.text


def test_a_file_that_could_not_be_kept_is_left_for_another_scan_and_not_new(
    keeper: Keeper, room: Room, heard: Callable[..., Heard], recording: Recording
) -> None:
    room.end()
    keeper.keep([heard("a")], HeardFile(recording, 1_000, None, b"glance", is_whole=True))
    keeper.summary.new += 1
    keeper.close()
    assert (keeper.summary.new, keeper.summary.left) == (0, {"disk_full": 1})
    assert not keeper.summary.is_complete


def test_an_hour_that_is_not_over_is_counted_and_not_twice(keeper: Keeper, make_effort: Callable[..., Effort]) -> None:
    heard = make_effort(0, state=EffortState.ANALYSED, samples=80_000)
    lost = make_effort(80_000, state=EffortState.DROPPED, samples=8_000)
    keeper.keep([Heard(progress=(heard,))])
    assert (keeper.seconds(EffortState.ANALYSED), keeper.gaps) == (10, 0)
    keeper.keep([Heard(progress=(heard, lost))])
    assert (keeper.seconds(EffortState.ANALYSED), keeper.seconds(EffortState.DROPPED), keeper.gaps) == (10, 1, 1)
    assert keeper.summary.seconds == {}
    keeper.keep([Heard(efforts=(heard, lost), progress=())])
    assert (keeper.seconds(EffortState.ANALYSED), keeper.seconds(EffortState.DROPPED), keeper.gaps) == (10, 1, 1)


def test_what_only_says_how_far_a_microphone_is_does_not_pile_up_while_the_disk_is_full(
    keeper: Keeper, room: Room, heard: Callable[..., Heard], make_effort: Callable[..., Effort]
) -> None:
    room.end()
    keeper.keep([heard("a")])
    assert keeper.is_full
    for number in range(100):
        keeper.keep([Heard(progress=(make_effort(number),))])
    assert len(keeper._waiting) == 1
