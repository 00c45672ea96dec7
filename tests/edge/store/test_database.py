"""A database is opened, migrated or refused, and not used any more after a fault."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from identities import make_identity

from anura_edge.audio import Recording
from anura_edge.errors import JournalDamagedError, JournalError
from anura_edge.events import Event, Notice, NoticeKind, default_analysis_id
from anura_edge.store.journal import DEVICE_PROVENANCE, Journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.store.schema import STEPS, VERSION
from anura_edge.wire import Owner, Provenance

MakeEvent = Callable[..., Event]


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


EARLIER_EVENT = {
    "recording": "f00d", "recording_name": "a.wav", "start_utc": "2025-04-12T20:30:00Z",
    "end_utc": "2025-04-12T20:30:02Z", "clock_source": "gps", "rate_hz": 8_000, "onset_sample": 0,
    "offset_sample": 9, "label": "LOW", "scientific_name": "Tonus gravis", "p_peak": 0.9, "p_mean": 0.8,
    "level_dbfs": -31.5, "model_id": "m", "model_version": "1", "model_sha256": "5f", "config_hash": "c",
    "app_version": "0",
}  # fmt: skip


@pytest.mark.parametrize("version", range(1, 9))  # later versions store all of it
def test_rows_of_an_earlier_version_get_what_it_did_not_store(path: Path, version: int) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as earlier:
        for statement in chain.from_iterable(STEPS[:version]):
            earlier.execute(statement)
        earlier.execute("INSERT INTO journal (id) VALUES (?)", (str(uuid4()),))
        names, places = ", ".join(EARLIER_EVENT), ", ".join(f":{name}" for name in EARLIER_EVENT)
        earlier.execute(f"INSERT INTO event (id, {names}) VALUES ('{UUID(int=9)}', {places})", EARLIER_EVENT)
        earlier.execute("INSERT INTO outbox VALUES (7, 'event', ?)", (str(UUID(int=9)),))
        earlier.execute(f"PRAGMA user_version = {version}")
        earlier.commit()
    with closing(Journal(path, Owner("pond", "mic-1"))) as journal:
        ((row, owner),) = ((each.row, each.owner) for each in journal.outbox.pending(0, 9))
    assert owner == ("pond", "mic-1")
    assert (row.id, row.analysis) == (UUID(int=9), default_analysis_id("f00d", "5f"))
    assert (row.is_reliable, row.channel, row.common_name) == (True, None, "")


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
        db.execute(f"UPDATE journal SET version = {VERSION + 1}")
        db.commit()
    with pytest.raises(JournalError, match=r"newer anura-edge .* upgrade"):
        Journal(path)


def test_unwritable_path_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "journal.db", tmp_path):
        with pytest.raises(JournalError, match="state_dir"):
            Journal(path)


def test_file_damaged_while_open_is_a_journal_error(
    path: Path, make_event: MakeEvent, provenance: Provenance, recording: Recording, analysed_file: AnalysedFile
) -> None:
    with closing(Journal(path)) as journal:
        journal.commit([make_event(n) for n in range(500)], [], provenance, analysed_file)
    content = bytearray(path.read_bytes())
    content[4_096:] = b"\xff" * (len(content) - 4_096)  # the first page holds the schema
    path.write_bytes(content)
    with pytest.raises(JournalError), closing(Journal(path)) as journal:
        ScanHistory(journal.database, provenance.model_sha256).find(make_identity(recording.id))
    content[:4_096], content[8_192:] = content[:4_096], b""
    path.write_bytes(content)
    with pytest.raises(JournalError), closing(Journal(path)) as journal:
        journal.outbox.pending_count()


READS: dict[str, Callable[[Journal], object]] = {
    "scan history": lambda journal: ScanHistory(journal.database, "m").find(make_identity("r")),
    "pending": lambda journal: [each.row for each in journal.outbox.pending(0, 9)],
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


def test_journal_that_is_deleted_in_use_is_saved_with_all_rows(
    path: Path, make_event: MakeEvent, provenance: Provenance
) -> None:
    with closing(Journal(path)) as journal:
        journal.commit([make_event(0)], [], provenance)
        for file in [*path.parent.glob("journal.db*")]:
            file.unlink()
        for _ in range(2):
            with pytest.raises(JournalError, match=r"deleted or replaced while it was in use; its rows are saved"):
                journal.commit([make_event(1)], [], provenance)
    with closing(Journal(path)) as journal:
        assert journal.event_ids() == {make_event(0).id}


def test_journal_that_is_replaced_in_use_does_not_lose_its_rows(
    path: Path, tmp_path: Path, make_event: MakeEvent, provenance: Provenance
) -> None:
    Journal(tmp_path / "other.db").close()
    with closing(Journal(path)) as journal:
        journal.commit([make_event(0)], [], provenance)
        (tmp_path / "other.db").replace(path)
        with pytest.raises(JournalError, match=r"rescued-"):
            journal.commit([make_event(1)], [], provenance)
    (rescued,) = path.parent.glob("journal.db.rescued-*")
    with closing(Journal(rescued)) as journal:
        assert journal.event_ids() == {make_event(0).id}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE outbox SET id = 'x' WHERE seq = 1",
        "DELETE FROM event WHERE onset_sample = 1",
        "DELETE FROM outbox WHERE seq = 2",
        "UPDATE event SET label = 'MOL' WHERE onset_sample = 1",
        "UPDATE journal SET id = 'no id'",
        "PRAGMA user_version = 1026",
        "ALTER TABLE event RENAME COLUMN label TO labdl",
    ],
)
def test_damage_that_sqlite_does_not_see_is_found_at_the_start(
    path: Path, make_event: MakeEvent, provenance: Provenance, damage: str
) -> None:
    with closing(Journal(path)) as journal:
        journal.commit([make_event(n) for n in range(3)], [], provenance)
    with closing(sqlite3.connect(path)) as db:
        db.execute(damage)
        db.commit()
    with pytest.raises(JournalDamagedError):
        Journal(path)


def test_copied_journal_has_a_new_id_on_another_computer_and_loses_no_row(path: Path) -> None:
    with closing(Journal(path)) as journal:
        first = journal.id
        assert not journal.database.belong_to("aaaa")
        notice = Notice(uuid4(), NoticeKind.DISK_LOW, datetime.now(UTC), "of the original")
        journal.commit([], [], DEVICE_PROVENANCE, notices=[notice])
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    with closing(Journal(copy)) as journal:
        assert journal.database.belong_to("bbbb")
        assert journal.id != first
        assert not journal.database.belong_to(None)
        assert [each.row.id for each in journal.outbox.pending(0, 10)] == [notice.id]
        second = journal.id
    for file, machine, id_ in ((copy, "bbbb", second), (path, "aaaa", first)):
        with closing(Journal(file)) as journal:
            assert not journal.database.belong_to(machine)
            assert journal.id == id_
