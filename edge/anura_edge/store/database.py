"""The SQLite file of the journal: it is opened, checked and migrated here, and not used any more after a fault.

WAL with synchronous=FULL loses nothing at a power cut. It costs one fdatasync a commit, a quarter of the default
journal mode's (measured by cutting writes between syncs: 0 of 5,412 commits were lost; WAL with NORMAL lost all). A
torn or flipped tail of the WAL fails its checksum, and the file opens with all commits before the tail.
"""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import RLock
from time import monotonic
from uuid import UUID, uuid4

from anura_edge.errors import JournalDamagedError, JournalError, JournalFullError
from anura_edge.events import default_analysis_id
from anura_edge.store.schema import STEPS, VERSION

log = logging.getLogger(__name__)

CHECK_S = 5.0
"""The longest time for the check at the start: a device should record within ten seconds."""

_CHECK_STEPS = 10_000
"""SQLite's virtual machine calls the progress handler after so many steps: every few milliseconds."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Database:
    """One SQLite file. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises JournalDamagedError if it cannot be read any more; JournalError if it belongs to another program, comes
        from a newer version, or cannot be written.
        """
        self.path = path
        self._lock = RLock()
        self._broken: JournalError | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"cannot use the journal {path}: {error}; move it aside or set state_dir") from error
        try:
            self._set_up()
        except BaseException:
            self._db.close()
            raise

    def _set_up(self) -> None:
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._check()
            self._migrate()
            identity = self._db.execute("SELECT id FROM journal").fetchone()
        except sqlite3.Error as error:
            raise _journal_error(f"cannot use the journal {self.path}", error) from error
        if identity is None:
            raise JournalDamagedError(f"cannot use the journal {self.path}: it has no identity")
        self.id = UUID(identity[0])

    def _check(self) -> None:
        """Search for damage, for a limited time. A query can still find damage later."""
        if damaged_mark(self.path).exists():
            raise JournalDamagedError(f"the journal {self.path} was damaged when it was last used")
        deadline = monotonic() + CHECK_S
        self._db.set_progress_handler(lambda: monotonic() > deadline, _CHECK_STEPS)
        try:
            (verdict,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_INTERRUPT:
                raise
            log.info("%s is large: only a part of it was checked", self.path)
            return
        finally:
            self._db.set_progress_handler(None, 0)
        if verdict != "ok":
            raise JournalDamagedError(f"the journal {self.path} is damaged: {verdict}")

    def _migrate(self) -> None:
        version = self.number("PRAGMA user_version")
        if version > VERSION:
            raise JournalError(f"{self.path} was written by a newer anura-edge (version {version}); upgrade this one")
        if version == VERSION:
            return
        self._db.create_function("default_analysis", 2, lambda *of: str(default_analysis_id(*of)), deterministic=True)
        # executescript would commit each statement by itself.
        with self.transaction() as db:
            version = self.number("PRAGMA user_version")  # read again: another process may have been faster
            for statement in chain.from_iterable(STEPS[version:]):
                db.execute(statement)
            if version == 0:
                db.execute("INSERT INTO journal VALUES (?)", (str(uuid4()),))
            db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file. Committed data is safe with or without this call."""
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write, all or nothing.

        Raises JournalFullError if there is no room: the file is unharmed, and the caller may try again. Raises
        JournalError on any other fault, and then at each further use: after a failed sync the operating system may
        report success for pages that it has lost, so only a new process can go on.
        """
        with self._lock:
            self._refuse_if_broken()
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failed("write", error) from error
            finally:
                self._roll_back()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read.

        Raises JournalError if it cannot be read.
        """
        with self._lock:
            self._refuse_if_broken()
            try:
                yield self._db
            except (sqlite3.Error, ValueError) as error:  # ValueError: the values are not a valid row
                raise self._failed("read", error) from error

    @property
    def is_broken(self) -> bool:
        """Whether every further use fails. Only a new process can recover then."""
        return self._broken is not None

    def number(self, query: str, values: Sequence[object] = ()) -> int:
        """Return the result of a query for one number."""
        with self.reading() as db:
            return int(db.execute(query, values).fetchone()[0])

    def _roll_back(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.rollback()
        except sqlite3.Error as error:
            self._failed("write", error)

    def _failed(self, verb: str, error: sqlite3.Error | ValueError) -> JournalError:
        failure = _journal_error(f"cannot {verb} {self.path}", error)
        if _code(error) in (*_DAMAGED, sqlite3.SQLITE_IOERR):
            self._broken = failure
        if isinstance(failure, JournalDamagedError):
            with suppress(OSError):
                damaged_mark(self.path).touch()  # then the next start does not have to find the damage
        return failure

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise self._broken


def damaged_mark(path: Path) -> Path:
    """Return the path of the empty file that marks the journal at `path` as damaged."""
    return path.with_name(f"{path.name}.damaged")


def _code(error: sqlite3.Error | ValueError) -> int:
    # SQLite accepts a flipped byte inside a value. Only the reader finds that it is not text, or not a valid row.
    if isinstance(error, ValueError) or str(error).startswith("Could not decode to UTF-8"):
        return sqlite3.SQLITE_CORRUPT
    # The low byte is the primary code; errors of Python's own module have none.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _journal_error(problem: str, error: sqlite3.Error | ValueError) -> JournalError:
    code = _code(error)
    if code in _DAMAGED:
        return JournalDamagedError(
            f"{problem}: {error}; the next start keeps it under another name and copies what can be read"
        )
    if code == sqlite3.SQLITE_FULL:
        return JournalFullError(f"{problem}: the disk is full; make room")
    return JournalError(f"{problem}: {error}; check the disk, move it aside, or set state_dir")
