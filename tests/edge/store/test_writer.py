"""A full disk delays rows and does not lose them. SQLite's limit on the file size simulates it."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from identities import make_identity

from anura_edge.audio import ClockSource, Recording
from anura_edge.detection.ledger import PipelineOutput
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind
from anura_edge.store import write_queue as write_queue_module
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.store.writer import ResultWriter
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Provenance

MANY = 2_000


class DiskSpace:
    """The limit on the pages of the journal's file."""

    def __init__(self, journal: Journal) -> None:
        self._db: sqlite3.Connection = journal.database._db

    def fill(self) -> None:
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        self._db.execute(f"PRAGMA max_page_count = {pages}")

    def free(self) -> None:
        self._db.execute("PRAGMA max_page_count = 1000000")


@pytest.fixture
def shown() -> list[EventRow]:
    return []


@pytest.fixture
def writer(tmp_path: Path, provenance: Provenance, shown: list[EventRow]) -> Iterator[ResultWriter]:
    journal = Journal(tmp_path / "journal.db")
    yield ResultWriter(journal, provenance, shown.append, lambda: None)
    journal.close()


@pytest.fixture
def room(writer: ResultWriter) -> DiskSpace:
    return DiskSpace(writer.journal)


def is_known(writer: ResultWriter) -> bool:
    history = ScanHistory(writer.journal.database, writer.provenance.model_sha256)
    return history.find_unchanged(b"glance") is not None


def rows(writer: ResultWriter) -> list[Any]:
    return [*[each.row for each in writer.journal.outbox.pending(0, 10_000)]]


@pytest.fixture
def make_output(make_event: Callable[..., Event], make_effort: Callable[..., Effort]) -> Callable[..., PipelineOutput]:
    """Make many events of a recording, more than fit into the rest of a page, and their effort."""

    def make(recording: str, count: int = MANY) -> PipelineOutput:
        return PipelineOutput(tuple(make_event(n, recording) for n in range(count)), (make_effort(0, recording),))

    return make


def test_results_wait_while_the_disk_is_full(
    writer: ResultWriter,
    room: DiskSpace,
    make_output: Callable[..., PipelineOutput],
    shown: list[EventRow],
    recording: Recording,
) -> None:
    room.fill()
    writer.write(
        [make_output("a")], done=AnalysedFile(recording, 1_000, make_identity(recording.id), b"glance", is_whole=True)
    )
    writer.write([make_output("b", 1)])
    assert writer.is_full
    assert (shown, rows(writer), is_known(writer)) == ([], [], False)
    writer.retry()
    assert writer.is_full
    room.free()
    writer.retry()
    assert not writer.is_full
    assert is_known(writer)
    assert [row.recording for row in shown] == ["a"] * MANY + ["b"]
    assert len(rows(writer)) == MANY + 1 + 1 + 1
    assert writer.summary.seconds["analysed"] == 2 * 1_000 / 8_000


def test_oldest_waiting_rows_are_dropped_and_counted(
    writer: ResultWriter,
    room: DiskSpace,
    make_output: Callable[..., PipelineOutput],
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write_queue_module, "MAX_WAITING_ROWS", MANY + 10)
    room.fill()
    writer.write([make_output("live")])
    writer.write(
        [make_output("card", 200)],
        done=AnalysedFile(recording, 1_000, make_identity(recording.id), b"glance", is_whole=True),
    )
    writer.write([make_output("newest", MANY)])
    room.free()
    writer.close()
    assert {row.recording for row in rows(writer) if isinstance(row, EventRow)} == {"newest"}
    (notice,) = [row for row in rows(writer) if isinstance(row, NoticeRow)]
    assert (notice.what, notice.amount) == (NoticeKind.ROWS_DROPPED, MANY + 1), "the card is analysed again: no loss"
    assert not is_known(writer)


@pytest.mark.parametrize(("most", "corrected"), [(10 * MANY, 2), (MANY + 3, 1)])
def test_clock_correction_is_not_dropped_on_a_full_disk(
    writer: ResultWriter,
    room: DiskSpace,
    make_output: Callable[..., PipelineOutput],
    make_effort: Callable[..., Effort],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    corrected: int,
) -> None:
    """It is not dropped with the other rows, because rows that were committed before need it."""
    monkeypatch.setattr(write_queue_module, "MAX_WAITING_ROWS", most)
    unknown = [make_effort(n, "live", clock_source=ClockSource.UNKNOWN) for n in range(2)]
    writer.write([PipelineOutput(efforts=(unknown[0],))])
    room.fill()
    writer.write([make_output("older"), PipelineOutput(efforts=(unknown[1],))])
    writer.write_notice(Notice(uuid4(), NoticeKind.CLOCK_KNOWN, unknown[0].start_utc, "", "live", 60.0))
    assert writer.is_full
    writer.write([make_output("newest", MANY + 2)])
    room.free()
    writer.retry()
    live = [row for row in rows(writer) if isinstance(row, EffortRow) and row.recording == "live"]
    time = unknown[0].start_utc + timedelta(seconds=60), ClockSource.SYSTEM
    assert [(row.start_utc, row.clock_source) for row in live] == [time] * corrected


def test_rows_lost_at_the_end_are_logged(
    writer: ResultWriter, room: DiskSpace, make_output: Callable[..., PipelineOutput], caplog: pytest.LogCaptureFixture
) -> None:
    room.fill()
    writer.write([make_output("a")])
    writer.close()
    assert f"{MANY + 1} rows are lost" in caplog.text


def test_unsaved_file_is_left_for_another_scan(
    writer: ResultWriter, room: DiskSpace, make_output: Callable[..., PipelineOutput], recording: Recording
) -> None:
    room.fill()
    writer.write(
        [make_output("a")], AnalysedFile(recording, 1_000, make_identity(recording.id), b"glance", is_whole=True)
    )
    writer.summary.add_new(1.0)
    writer.close()
    assert (writer.summary.new, writer.summary.left) == (0, {"disk_full": 1})
    assert not writer.summary.is_complete


def test_open_hour_is_counted_once(writer: ResultWriter, make_effort: Callable[..., Effort]) -> None:
    make_output = make_effort(0, state=EffortState.ANALYSED, samples=80_000)
    lost = make_effort(80_000, state=EffortState.DROPPED, samples=8_000)
    writer.write([PipelineOutput(progress=(make_output,))])
    assert (writer.seconds(EffortState.ANALYSED), writer.gaps) == (10, 0)
    writer.write([PipelineOutput(progress=(make_output, lost))])
    assert (writer.seconds(EffortState.ANALYSED), writer.seconds(EffortState.DROPPED), writer.gaps) == (10, 1, 1)
    assert writer.summary.seconds == {}
    writer.write([PipelineOutput(efforts=(make_output, lost), progress=())])
    assert (writer.seconds(EffortState.ANALYSED), writer.seconds(EffortState.DROPPED), writer.gaps) == (10, 1, 1)


def test_progress_does_not_fill_the_queue_of_a_full_disk(
    writer: ResultWriter,
    room: DiskSpace,
    make_output: Callable[..., PipelineOutput],
    make_effort: Callable[..., Effort],
) -> None:
    room.fill()
    writer.write([make_output("a")])
    assert writer.is_full
    for number in range(10):
        writer.write([PipelineOutput(progress=(make_effort(number),))])
    assert len(writer._queue) == 1
