"""A commit is stored completely or not at all, and survives a kill."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from uuid import UUID, uuid4

import pytest
from identities import make_identity

from anura_edge.audio import Recording
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind, unreadable_id
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Provenance

START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)


MakeEvent = Callable[..., Event]


MakeEffort = Callable[..., Effort]


KILLS = 8


"""`make faults` kills a device a thousand times."""


COMMITTING_FOREVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind, unreadable_id
from anura_edge.store.journal import Journal
from anura_edge.wire import Provenance
journal = Journal(Path(sys.argv[1]))
provenance = Provenance("m", "1.0.0", "0" * 64, "c", "0.1.0")
start, gps = datetime(2026, 1, 1, tzinfo=UTC), ClockSource.GPS
while True:
    events = [Event(uuid4(), "A", "A a", "r", "r.wav", 0, 1, 9, start, start, gps, 0.9, 0.8, -30.0) for _ in range(3)]
    effort = Effort(uuid4(), "r", "r.wav", EffortState.ANALYSED, 0, 9, 9, start, gps)
    rows = journal.commit(events, [effort], provenance)
    print(*[f"{row.seq}:{row.id}" for row in rows], flush=True)
"""


def seqs(journal: Journal) -> list[int]:
    return [row.seq for row in [each.row for each in journal.outbox.pending(0, 1_000)]]


def test_all_kinds_of_rows_share_one_sequence(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    first = journal.commit([make_event(0), make_event(1)], [make_effort(0)], provenance)
    lost = Notice(UUID(int=1), NoticeKind.MICROPHONE_LOST, START, "no audio for 3 s")
    second = journal.commit([make_event(2)], [make_effort(1)], provenance, notices=[lost])
    assert [row.seq for row in (*first, *second)] == [1, 2, 3, 4, 5, 6]
    assert [each.row for each in journal.outbox.pending(0, 100)] == [*first, *second]
    assert [row.kind for row in [each.row for each in journal.outbox.pending(0, 100)]] == [
        "event",
        "event",
        "effort",
        "event",
        "effort",
        "notice",
    ]


def test_error_during_commit_stores_nothing(
    journal: Journal,
    make_event: MakeEvent,
    make_effort: MakeEffort,
    provenance: Provenance,
    recording: Recording,
    analysed_file: AnalysedFile,
) -> None:
    def breaking_off() -> Iterator[Effort]:
        yield make_effort(0)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        journal.commit([make_event(0)], breaking_off(), provenance, analysed_file)
    assert (len(journal.event_ids()), journal.outbox.pending_count()) == (0, 0)
    assert ScanHistory(journal.database, provenance.model_sha256).find(make_identity(recording.id)) is None
    assert [row.seq for row in journal.commit([make_event(0)], [], provenance)] == [1]


def test_stored_row_is_neither_changed_nor_queued_again(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    journal.commit([make_event(0), make_event(0)], [make_effort(0)], provenance)
    again = journal.commit([make_event(0, p_peak=0.1), make_event(1)], [make_effort(0)], provenance)
    assert [row.seq for row in again] == [3]
    assert (len(journal.event_ids()), journal.outbox.pending_count()) == (2, 3)
    journal.outbox.mark_delivered([1, 2, 3])
    assert journal.commit([make_event(0)], [make_effort(0)], provenance) == []
    assert (len(journal.event_ids()), journal.outbox.pending_count()) == (2, 0)
    assert journal.event_ids() == {make_event(0).id, make_event(1).id}


def test_unreadable_file_is_new_once_per_change(journal: Journal, provenance: Provenance) -> None:
    for name, mtime_ns, is_news in (("a.wav", 1, True), ("a.wav", 1, False), ("a.wav", 2, True), ("b.wav", 1, True)):
        notice_id = unreadable_id(journal.id, name, 0, mtime_ns, "empty")
        notice = Notice(notice_id, NoticeKind.UNREADABLE, START, f"empty: {name}", amount=0)
        assert journal.add_unreadable(name, 0, mtime_ns, "empty", f"{name}: 0 bytes", notice, provenance) == is_news
    details = [row.detail for row in [each.row for each in journal.outbox.pending(0, 10)] if isinstance(row, NoticeRow)]
    assert details == ["empty: a.wav", "empty: a.wav", "empty: b.wav"]


def test_two_devices_report_equal_empty_files_separately() -> None:
    one, other = (unreadable_id(uuid4(), "20260412_200000.WAV", 0, 1, "empty") for _ in range(2))
    assert one != other


def test_threads_share_a_journal(journal: Journal, make_event: MakeEvent, provenance: Provenance) -> None:
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for n in range(first, first + 20):
                journal.commit([make_event(n)], [], provenance)
                [each.row for each in journal.outbox.pending(0, 10)]
                journal.outbox.floor()
        except BaseException as error:
            errors.append(error)

    threads = [Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert seqs(journal) == list(range(1, 81))


def test_killed_process_leaves_whole_commits(path: Path) -> None:
    reported: dict[int, str] = {}
    for kill in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", COMMITTING_FOREVER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(1 + kill)]
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0]
        complete = "".join(lines) + rest[: rest.rfind("\n") + 1]
        reported |= {int(entry.split(":")[0]): entry.split(":")[1] for entry in complete.split()}
        assert process.returncode == -signal.SIGKILL
    with closing(Journal(path)) as journal:
        rows = [each.row for each in journal.outbox.pending(0, 10**6)]
    there = {row.seq: str(row.id) for row in rows}
    assert reported
    assert reported.items() <= there.items()
    assert sorted(there) == list(range(1, len(there) + 1))
    kinds = [isinstance(row, EventRow) for row in rows]
    assert kinds == [True, True, True, False] * (len(rows) // 4)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_invalid_row_is_refused_before_any_is_stored(
    journal: Journal, make_event: MakeEvent, provenance: Provenance
) -> None:
    with pytest.raises(ValueError, match="level_dbfs"):
        journal.commit([make_event(0), make_event(1, level_dbfs=float("inf"))], [], provenance)
    assert (len(journal.event_ids()), journal.outbox.pending_count()) == (0, 0)


def test_effort_of_every_state_is_stored(journal: Journal, make_effort: MakeEffort, provenance: Provenance) -> None:
    efforts = [make_effort(n, state=state) for n, state in enumerate(EffortState)]
    assert [row.state for row in journal.commit([], efforts, provenance)] == list(EffortState)
    assert len([each.row for each in journal.outbox.pending(0, 10)]) == len(EffortState)


def test_open_effort_is_queued_by_the_next_run(
    journal: Journal, make_effort: MakeEffort, provenance: Provenance
) -> None:
    def progress(recording: str, hour: int, samples: int) -> None:
        values = {"recording": recording, "start_utc": START.replace(hour=hour)}
        first = make_effort(0, id=uuid4(), samples=samples, **values)
        end = make_effort(samples, id=uuid4(), state=EffortState.OFF, samples=0, **values)
        journal.commit([], [], provenance, progress=[first, end])

    assert journal.finalise_open_effort() is None
    progress("first", 1, 100)
    progress("first", 1, 160)
    progress("second", 2, 80)  # while the effort of the first is still open
    assert journal.outbox.pending_count() == 0
    end = journal.finalise_open_effort()
    assert end
    assert (end.recording, end.first_sample, end.samples) == ("second", 80, 0)
    rows = [row for row in [each.row for each in journal.outbox.pending(0, 10)] if isinstance(row, EffortRow)]
    assert [(row.recording, row.samples) for row in rows] == [("first", 160), ("second", 80)]
    assert journal.finalise_open_effort() == end
    assert journal.outbox.pending_count() == 2
