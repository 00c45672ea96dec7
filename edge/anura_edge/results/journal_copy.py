"""The rows of a journal that comes on a disk instead of over a link, as the messages that a device would send.

The file is only read. Its copy is checked and migrated: the disk may be write-protected, and a device may go on with
its journal.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from anura_edge.errors import JournalDamagedError, JournalError
from anura_edge.store.database import Database, damaged_mark
from anura_edge.store.integrity import is_foreign
from anura_edge.store.outbox import Outbox
from anura_edge.store.schema import VERSION, VERSION_WITH_OWNERS
from anura_edge.wire import Owner, QueuedRow, Row, batch

JOURNAL = "journal.db"
"""The name of a journal in its folder."""

MAX_MESSAGE_ROWS = 200
"""About 130 kB of JSON."""

LOCK_TIMEOUT_S = 5.0
"""How long to wait for another program that writes."""

_UNREADABLE_FOLDER = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
"""SQLite cannot make its files beside the journal, so nobody else writes there either."""


@dataclass(frozen=True, slots=True)
class JournalMessage:
    """Rows of one topic, as a device publishes them."""

    topic: str
    journal: UUID
    floor: int
    rows: tuple[Row, ...]

    @property
    def payload(self) -> bytes:
        """The batch, as it is sent."""
        return batch(self.journal, self.floor, self.rows)

    def split(self) -> Iterator["JournalMessage"]:
        """Yield one message for each row."""
        return (replace(self, rows=(row,)) for row in self.rows)


class JournalCopy:
    """A copy of a journal in which all rows wait to be sent."""

    def __init__(self, database: Database, source: Path) -> None:
        """Take the opened copy of the journal `source`."""
        self.source = source
        self.database, self._outbox = database, Outbox(database)
        self._head_seq = self._outbox.head()
        self._outbox.resend(None)

    @property
    def id(self) -> UUID:
        """Identity of the journal."""
        return self.database.id

    def owners(self) -> list[Owner]:
        """Return the sites and devices of the rows, sorted."""
        tables = " UNION ".join(f"SELECT site, device FROM {kind}" for kind in ("event", "effort", "notice"))
        with self.database.reading() as db:
            return [Owner(*columns) for columns in db.execute(f"{tables} ORDER BY 1, 2")]

    def count(self) -> int:
        """Return the number of rows."""
        return self._outbox.pending_count()

    def messages(self) -> Iterator[JournalMessage]:
        """Yield all rows in the order of their numbers, as a device sends them to a base station that has none.

        Raises JournalError if the copy cannot be read.
        """
        floor, after_seq = self._outbox.floor(), 0
        while rows := self._pending(after_seq):
            after_seq = rows[-1].seq
            for topic, group in groupby(sorted(rows, key=lambda each: each.topic), key=lambda each: each.topic):
                yield JournalMessage(topic, self.id, floor, tuple(self._numbered(each) for each in group))

    def _pending(self, after_seq: int) -> Sequence[QueuedRow]:
        try:
            return self._outbox.pending(after_seq, MAX_MESSAGE_ROWS)
        except JournalDamagedError as error:  # in a large journal only a part was checked when it was opened
            raise _damaged(self.source, str(error.__cause__ or error)) from error

    def _numbered(self, queued: QueuedRow) -> Row:
        """Return a row with its number. A row of an early version has none, and the copy must not give it one."""
        return queued.row if queued.seq <= self._head_seq else queued.row.model_copy(update={"seq": 0})


@contextmanager
def open_copy(journal: Path) -> Iterator[JournalCopy]:
    """Copy a journal, and open the copy. `journal` is the file, or the folder that contains it.

    Raises JournalError if there is none, or if it is foreign, damaged, newer or in use.
    """
    journal = journal / JOURNAL if journal.is_dir() else journal
    if not journal.is_file():
        raise JournalError(f"no journal {journal}; name the file journal.db of a device, or its folder")
    if damaged_mark(journal).exists():
        raise _damaged(journal, "its device has marked it")
    with TemporaryDirectory(prefix="anura-journal-") as folder:
        copy = Path(folder) / JOURNAL
        _copy(journal, copy)
        with closing(_open(journal, copy)) as database:
            yield JournalCopy(database, journal)


def _copy(journal: Path, copy: Path) -> None:
    """Write one snapshot of a journal, with the rows in its write-ahead log, to a new file."""
    try:
        _back_up(journal, copy)
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            raise JournalError(f"another program uses {journal}; stop it, or try again in a minute") from error
        if code not in _UNREADABLE_FOLDER:
            raise _unusable(journal, error) from error
        copy.unlink(missing_ok=True)
        _copy_files(journal, copy)


def _back_up(journal: Path, copy: Path) -> None:
    # Without a write-ahead log no program has it open. Then SQLite need not make files beside it.
    before = _state(journal)
    if not journal.with_name(f"{journal.name}-wal").exists():
        _read_snapshot(journal, "immutable=1", copy)
        if _state(journal) == before:
            return
    _read_snapshot(journal, "mode=ro", copy)


def _state(journal: Path) -> list[tuple[str, int, int]]:
    """Return what changes when a program opens or writes a database: its files, their sizes and times."""
    files = sorted(journal.parent.glob(f"{journal.name}*"))
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def _read_snapshot(journal: Path, mode: str, copy: Path) -> None:
    address = f"{journal.absolute().as_uri()}?{mode}"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=LOCK_TIMEOUT_S)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        # `backup` would wait for a lock without end. A reader has its snapshot, whoever writes meanwhile.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()
        source.backup(target)


def _copy_files(journal: Path, copy: Path) -> None:
    try:
        for suffix in ("", "-wal"):
            if (file := journal.with_name(journal.name + suffix)).exists():
                shutil.copyfile(file, copy.with_name(copy.name + suffix))
    except OSError as error:
        raise JournalError(
            f"cannot read {journal}: {error.strerror}; check the disk and the owner of the file"
        ) from error


def _open(journal: Path, copy: Path) -> Database:
    """Check that a copy is a journal that this program understands, and open it."""
    try:
        with closing(sqlite3.connect(copy)) as db:
            has_tables = bool(db.execute("SELECT 1 FROM sqlite_schema").fetchone())
            (version,) = db.execute("PRAGMA user_version").fetchone()
            foreign = is_foreign(db)
    except sqlite3.Error as error:
        raise _unusable(journal, error) from error
    if foreign or not has_tables:
        raise JournalError(
            f"{journal} is not the journal of a device; name the file journal.db of a device, or its folder"
        )
    if version > VERSION:
        raise JournalError(
            f"{journal} was written by a newer anura-edge (version {version}); upgrade this base station"
        )
    if version < VERSION_WITH_OWNERS:
        raise JournalError(
            f"{journal} was written by an early anura-edge, and does not say of which site it is; start this version of"
            " anura-edge on it once"
        )
    try:
        return Database(copy, Owner())
    except JournalDamagedError as error:
        raise _damaged(journal, str(error.__cause__ or error)) from error


def _unusable(journal: Path, error: sqlite3.Error) -> JournalError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return JournalError(f"{journal} is not the journal of a device: {error}; name the file journal.db of a device")
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return JournalError(f"there is no room for a copy of {journal}; set TMPDIR to a folder with free space")
    return _damaged(journal, str(error))


def _damaged(journal: Path, why: str) -> JournalDamagedError:
    return JournalDamagedError(
        f"{journal} is damaged: {why}; start anura-edge on it, which copies what can be read into a new journal, and"
        " import that one"
    )
