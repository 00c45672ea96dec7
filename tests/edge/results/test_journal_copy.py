"""A copy of a journal on a disk: the file is only read, and one that cannot be used gives one message."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from anura_edge.errors import JournalDamagedError, JournalError
from anura_edge.events import Effort, Event
from anura_edge.results import journal_copy
from anura_edge.results.journal_copy import open_copy
from anura_edge.store.journal import Journal
from anura_edge.wire import Owner, Provenance


@pytest.fixture
def journal(
    tmp_path: Path, make_event: Callable[..., Event], make_effort: Callable[..., Effort], provenance: Provenance
) -> Iterator[Journal]:
    """An open journal with three rows."""
    with closing(Journal(tmp_path / "device" / "journal.db", Owner("pond", "one"))) as journal:
        journal.commit([make_event(0), make_event(1)], [make_effort()], provenance)
        yield journal


def read(path: Path) -> int:
    """Read all messages of a copy. Return the number of rows."""
    with open_copy(path) as copy:
        return sum(len(message.rows) for message in copy.messages())


def test_rows_of_an_open_journal_are_read_by_the_name_of_its_folder(journal: Journal) -> None:
    assert journal.database.path.with_name("journal.db-wal").stat().st_size  # its rows are in the write-ahead log
    assert read(journal.database.path.parent) == 3


def test_file_on_the_disk_stays_as_it_is(journal: Journal) -> None:
    path = journal.database.path
    journal.close()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert read(path) == 3
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_write_protected_disk_is_read(journal: Journal, tmp_path: Path) -> None:
    stick = Path(shutil.copytree(journal.database.path.parent, tmp_path / "stick"))
    stick.chmod(0o500)
    assert read(stick) == 3


Spoil = Callable[[Path], None]


def _other_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE music (title TEXT)")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")


def _flip(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE event SET p_peak = 0.1")


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _early(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 5")


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (Path.unlink, JournalError, "no journal .*; name the file journal.db"),
        (_other_program, JournalError, "is not the journal of a device; name the file"),
        (lambda path: path.write_bytes(b"RIFF" * 999), JournalError, "is not the journal of a device: .*; name the"),
        (lambda path: path.write_bytes(b""), JournalError, "is not the journal of a device; name the file"),
        (_newer, JournalError, r"newer anura-edge \(version 999\); upgrade"),
        (_early, JournalError, "early anura-edge.*start this version"),
        (_flip, JournalDamagedError, "wrong checksum; start anura-edge on it"),
        (_cut, JournalDamagedError, "is damaged: .*; start anura-edge on it"),
        (lambda path: path.with_name("journal.db.damaged").touch(), JournalDamagedError, "has marked it; start"),
    ],
)
def test_journal_that_cannot_be_used_gives_one_message(
    journal: Journal, spoil: Spoil, error: type[Exception], message: str
) -> None:
    path = journal.database.path
    journal.close()
    spoil(path)
    with pytest.raises(error, match=message) as found:
        read(path)
    assert str(path) in str(found.value)


def test_damage_that_is_found_while_rows_are_read_is_told(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a large journal, only a part is checked when it is opened."""
    path = journal.database.path
    journal.close()
    _flip(path)
    monkeypatch.setattr("anura_edge.store.database.check_rows", lambda _db: None)
    with pytest.raises(JournalDamagedError, match=f"{path} is damaged: .*checksum.*start anura-edge on it"):
        read(path)


def test_locked_journal_gives_one_message(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_copy, "LOCK_TIMEOUT_S", 0.01)
    path = journal.database.path
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("UPDATE journal SET running_s = 1")
        with pytest.raises(JournalError, match="another program uses"):
            read(path)
