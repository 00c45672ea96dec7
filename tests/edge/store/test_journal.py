"""A committed row survives errors, kills and migrations, and no sequence number is used twice."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from uuid import UUID, uuid4

import pytest

from anura_edge.audio import Recording
from anura_edge.errors import JournalDamagedError, JournalError
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind, unreadable_id
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile, PreviousAnalysis, ScanHistory
from anura_edge.store.schema import STEPS, VERSION
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Provenance, Row

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


def analysed_file(recording: Recording) -> AnalysedFile:
    return AnalysedFile(recording, 1_000, "a head", b"a fingerprint", is_whole=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


def seqs(journal: Journal) -> list[int]:
    return [row.seq for row in journal.outbox.pending(0, 1_000)]


def test_all_kinds_of_rows_share_one_sequence(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    first = journal.commit([make_event(0), make_event(1)], [make_effort(0)], provenance)
    lost = Notice(UUID(int=1), NoticeKind.MICROPHONE_LOST, START, "no audio for 3 s")
    second = journal.commit([make_event(2)], [make_effort(1)], provenance, notices=[lost])
    assert [row.seq for row in (*first, *second)] == [1, 2, 3, 4, 5, 6]
    assert journal.outbox.pending(0, 100) == [*first, *second]
    assert [row.kind for row in journal.outbox.pending(0, 100)] == [
        "event",
        "event",
        "effort",
        "event",
        "effort",
        "notice",
    ]


def test_first_version_is_migrated_with_its_sequence(path: Path, make_event: MakeEvent, provenance: Provenance) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as first:
        for statement in STEPS[0]:
            first.execute(statement)
        first.execute("INSERT INTO journal VALUES (?)", (str(UUID(int=7)),))
        first.execute("INSERT INTO outbox VALUES (41, 'event', 'x')")
        first.execute("DELETE FROM outbox")
        first.execute("PRAGMA user_version = 1")
        first.commit()
    with closing(Journal(path)) as journal:
        assert (journal.id, journal.outbox.floor()) == (UUID(int=7), 42)
        assert [row.seq for row in journal.commit([make_event()], [], provenance)] == [42]


def test_pending_rows_are_ordered_and_limited(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    for n in range(10):
        journal.commit([make_event(n)], [make_effort(n)], provenance)
    for after in range(21):
        for limit in (0, 1, 3, 100):
            found = [row.seq for row in journal.outbox.pending(after, limit)]
            assert found == list(range(after + 1, 21))[:limit]


def test_error_during_commit_stores_nothing(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance, recording: Recording
) -> None:
    def breaking_off() -> Iterator[Effort]:
        yield make_effort(0)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        journal.commit([make_event(0)], breaking_off(), provenance, analysed_file(recording))
    assert (len(journal.event_ids()), journal.outbox.pending_count()) == (0, 0)
    assert ScanHistory(journal.database, provenance.model_sha256).find(recording.id) is None
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


def test_sequence_number_is_never_used_twice(path: Path, make_event: MakeEvent, provenance: Provenance) -> None:
    used: list[int] = []
    for n in range(5):
        with closing(Journal(path)) as journal:
            used += [row.seq for row in journal.commit([make_event(2 * n), make_event(2 * n + 1)], [], provenance)]
            journal.outbox.mark_delivered(used)
    assert used == list(range(1, 11))


def test_floor_is_the_lowest_pending_number(journal: Journal, make_event: MakeEvent, provenance: Provenance) -> None:
    assert journal.outbox.floor() == 1
    journal.commit([make_event(n) for n in range(3)], [], provenance)
    assert journal.outbox.floor() == 1
    journal.outbox.mark_delivered([2])
    assert journal.outbox.floor() == 1
    journal.outbox.mark_delivered([1])
    assert journal.outbox.floor() == 3
    journal.outbox.mark_delivered([3])
    assert journal.outbox.floor() == 4
    journal.outbox.mark_delivered([99])
    assert [row.seq for row in journal.commit([make_event(9)], [], provenance)] == [4]
    assert journal.outbox.floor() == 4


def test_analysed_recording_is_found_for_its_model(
    journal: Journal, provenance: Provenance, recording: Recording
) -> None:
    for _ in range(2):
        journal.commit([], [], provenance, analysed_file(recording))
    expected = PreviousAnalysis(recording.id, provenance.config_hash, 1_000, is_whole=True, is_replaced=False)
    history = ScanHistory(journal.database, provenance.model_sha256)
    assert history.find(recording.id) == expected
    assert history.find_unchanged(b"a fingerprint") == expected
    assert history.find("a longer file", "a head") == expected
    assert ScanHistory(journal.database, "another model").find(recording.id) is None
    assert history.find("another recording") is None
    history.add_fingerprint(b"another place", recording.id)
    history.flush()
    assert history.find_unchanged(b"another place") == expected


def test_withdrawn_analysis_counts_no_event_twice(
    journal: Journal, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance, recording: Recording
) -> None:
    def analyse() -> list[Row]:
        old = recording.id if ScanHistory(journal.database, provenance.model_sha256).find(recording.id) else None
        return journal.commit(
            [make_event(0)], [make_effort(0)], provenance, replace(analysed_file(recording), replaces=old)
        )

    first, second, third = analyse(), analyse(), analyse()
    assert [row.kind for row in second] == ["notice", "event", "effort"]
    assert len({row.id for row in (*first, *second, *third)}) == 8
    assert [row.seq for row in (*first, *second, *third)] == list(range(1, 9))
    assert journal.event_ids() == {third[1].id}
    with closing(sqlite3.connect(journal.database.path)) as db:
        for table in ("event", "effort"):
            assert db.execute(f"SELECT withdrawn FROM {table} ORDER BY withdrawn").fetchall() == [(0,), (1,), (1,)]


def test_unreadable_file_is_new_once_per_change(journal: Journal, provenance: Provenance) -> None:
    for name, mtime_ns, is_news in (("a.wav", 1, True), ("a.wav", 1, False), ("a.wav", 2, True), ("b.wav", 1, True)):
        notice_id = unreadable_id(journal.id, name, 0, mtime_ns, "empty")
        notice = Notice(notice_id, NoticeKind.UNREADABLE, START, f"empty: {name}", amount=0)
        assert journal.add_unreadable(name, 0, mtime_ns, "empty", f"{name}: 0 bytes", notice, provenance) == is_news
    details = [row.detail for row in journal.outbox.pending(0, 10) if isinstance(row, NoticeRow)]
    assert details == ["empty: a.wav", "empty: a.wav", "empty: b.wav"]


def test_two_devices_report_equal_empty_files_separately() -> None:
    one, other = (unreadable_id(uuid4(), "20260412_200000.WAV", 0, 1, "empty") for _ in range(2))
    assert one != other


def test_each_journal_has_a_lasting_identity(path: Path, tmp_path: Path) -> None:
    with closing(Journal(path)) as first:
        pass
    with closing(Journal(path)) as again, closing(Journal(tmp_path / "other.db")) as other:
        assert again.id == first.id
        assert other.id != first.id


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_file_that_is_not_a_database_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"journal\.db"):
        Journal(path)
    assert path.read_bytes() == content, "nothing is deleted"


@pytest.mark.parametrize("version", [0, VERSION])
def test_foreign_database_is_refused_unchanged(path: Path, version: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE event (photo TEXT)")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    with pytest.raises(JournalError, match=r"journal\.db"):
        Journal(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("event",)]


def test_newer_journal_is_refused_unchanged(path: Path) -> None:
    Journal(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(JournalError, match=r"newer anura-edge .* upgrade"):
        Journal(path)


def test_unwritable_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "journal.db", tmp_path):
        with pytest.raises(JournalError, match="state_dir"):
            Journal(path)


def test_file_damaged_while_open_is_a_journal_error(
    path: Path, make_event: MakeEvent, provenance: Provenance, recording: Recording
) -> None:
    with closing(Journal(path)) as journal:
        journal.commit([make_event(n) for n in range(500)], [], provenance, analysed_file(recording))
    content = bytearray(path.read_bytes())
    content[4_096:] = b"\xff" * (len(content) - 4_096)  # the first page holds the schema
    path.write_bytes(content)
    with pytest.raises(JournalError), closing(Journal(path)) as journal:
        ScanHistory(journal.database, provenance.model_sha256).find(recording.id)
    content[:4_096], content[8_192:] = content[:4_096], b""
    path.write_bytes(content)
    with pytest.raises(JournalError), closing(Journal(path)) as journal:
        journal.outbox.pending_count()


READS: dict[str, Callable[[Journal], object]] = {
    "scan history": lambda journal: ScanHistory(journal.database, "m").find("r"),
    "pending": lambda journal: journal.outbox.pending(0, 9),
    "floor": lambda journal: journal.outbox.floor(),
    "pending_count": lambda journal: journal.outbox.pending_count(),
    "event_ids": lambda journal: journal.event_ids(),
}


@pytest.mark.parametrize("read", READS)
def test_reading_a_missing_table_is_a_journal_error(path: Path, read: str) -> None:
    with closing(Journal(path)) as journal:
        with closing(sqlite3.connect(path)) as db:
            for table in ("recordings", "outbox", "event", "effort"):
                db.execute(f"DROP TABLE {table}")
            db.commit()
        with pytest.raises(JournalError, match=r"journal\.db"):
            READS[read](journal)


def test_threads_share_a_journal(journal: Journal, make_event: MakeEvent, provenance: Provenance) -> None:
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for n in range(first, first + 20):
                journal.commit([make_event(n)], [], provenance)
                journal.outbox.pending(0, 10)
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


def test_processes_create_one_journal_together(path: Path) -> None:
    opening = "import sys; from pathlib import Path; from anura_edge.store.journal import Journal; "
    opening += "sys.stdin.readline(); print(Journal(Path(sys.argv[1])).id)"
    command = [sys.executable, "-c", opening, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate() for process in processes]
    assert [errors for _, errors in answers] == ["", "", ""]
    assert len({identity for identity, _ in answers}) == 1


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
        rows = journal.outbox.pending(0, 10**6)
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
    assert len(journal.outbox.pending(0, 10)) == len(EffortState)


def test_open_effort_is_queued_by_the_next_run(
    journal: Journal, make_effort: MakeEffort, provenance: Provenance
) -> None:
    def progress(recording: str, hour: int, samples: int) -> None:
        values = {"recording": recording, "start_utc": START.replace(hour=hour)}
        stretch = make_effort(0, id=uuid4(), samples=samples, **values)
        end = make_effort(samples, id=uuid4(), state=EffortState.OFF, samples=0, **values)
        journal.commit([], [], provenance, progress=[stretch, end])

    assert journal.finalise_open_effort() is None
    progress("first", 1, 100)
    progress("first", 1, 160)
    progress("second", 2, 80)  # with the first one's books still open
    assert journal.outbox.pending_count() == 0
    end = journal.finalise_open_effort()
    assert end
    assert (end.recording, end.first_sample, end.samples) == ("second", 80, 0)
    rows = [row for row in journal.outbox.pending(0, 10) if isinstance(row, EffortRow)]
    assert [(row.recording, row.samples) for row in rows] == [("first", 160), ("second", 80)]
    assert journal.finalise_open_effort() == end
    assert journal.outbox.pending_count() == 2


FAILING_DISK = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4
from anura_edge.errors import JournalError
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.journal import DEVICE_PROVENANCE, Journal
journal = Journal(Path(sys.argv[1]))
def commit():
    notice = Notice(uuid4(), NoticeKind.DISK_LOW, datetime.now(UTC), "x" * 500)
    journal.commit([], [], DEVICE_PROVENANCE, notices=[notice])
commit()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the system answers EFBIG, which SQLite takes for a bad disk
for attempt in range(2):
    try:
        commit()
    except JournalError as error:
        print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
"""


def test_failed_write_ends_the_use_of_the_journal(path: Path) -> None:
    command = [sys.executable, "-c", FAILING_DISK, str(path)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert len(lines) == 2, "the disk is well again, but the journal is not trusted any more"
    assert lines[0] == lines[1]
    assert lines[0].startswith("JournalError")
    assert "disk I/O error" in lines[0]
    with closing(Journal(path)) as journal:
        assert journal.outbox.pending_count() == 1


def test_read_only_disk_does_not_hide_damage(path: Path) -> None:
    with closing(Journal(path)) as journal:
        path.parent.rename(path.parent.with_name("moved"))  # nor can the mark be made in a folder that is gone
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        with pytest.raises(JournalDamagedError, match="malformed"), journal.database.reading():
            raise error
