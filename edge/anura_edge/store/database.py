"""The SQLite file of the journal: it is opened, checked and migrated here, and not used any more after a fault.

WAL with synchronous=FULL loses nothing at a power cut. It costs one fdatasync a commit, a quarter of the default
journal mode's (measured by cutting writes between syncs: 0 of 5,412 commits were lost; WAL with NORMAL lost all). A
torn or flipped tail of the WAL fails its checksum, and the file opens with all commits before the tail.
"""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import RLock
from time import monotonic
from uuid import UUID, uuid4

from anura_edge.errors import JournalDamagedError, JournalError
from anura_edge.events import default_analysis_id
from anura_edge.store.faults import is_disk_fault, journal_error
from anura_edge.store.integrity import check_pages, check_rows, check_tables, is_foreign, register_functions, time_limit
from anura_edge.store.rows import ROW_TYPES, DamagedRowError, summed_columns
from anura_edge.store.schema import STEPS, VERSION
from anura_edge.wire import Owner

log = logging.getLogger(__name__)

CHECK_S = 5.0
"""The longest time for the check at the start: a device should record within ten seconds."""


class Database:
    """One SQLite file. Threads may share it."""

    def __init__(self, path: Path, owner: Owner) -> None:
        """Open the file, or create it. `owner` becomes the owner of the rows of an early version, which stored none.

        Raises JournalDamagedError if it cannot be read any more; JournalError if it belongs to another program, comes
        from a newer version, or cannot be written.
        """
        self.path, self._owner = path, owner
        self._lock = RLock()
        self._broken: JournalError | None = None
        self._inodes: list[int] = []
        """Of the open files; empty until they are set up."""
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
        if damaged_mark(self.path).exists():
            raise JournalDamagedError(f"the journal {self.path} was damaged when it was last used")
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except JournalError:
            raise
        except Exception as error:  # any error: damage can make any value of any other
            raise self._failed("use", error) from error
        self._inodes = self._current_inodes()

    def _prepare(self) -> None:
        """Check, migrate and identify the journal."""
        functions = {
            "owner_site": lambda: self._owner.site,
            "owner_device": lambda: self._owner.device,
            "default_analysis": lambda *of: str(default_analysis_id(*of)),
        }
        register_functions(self._db, functions)
        deadline_s = monotonic() + CHECK_S
        with time_limit(self._db, deadline_s):
            check_pages(self._db)
        if is_foreign(self._db):
            raise JournalError(f"{self.path} belongs to another program; move it aside or set state_dir")
        self._migrate()
        check_tables(self._db)
        with time_limit(self._db, deadline_s):
            check_rows(self._db)
        found = self._db.execute("SELECT id FROM journal").fetchone()
        if found is None:
            raise DamagedRowError("it has no identity")
        self.id = UUID(found[0])

    def _migrate(self) -> None:
        version = self._version()
        if version > VERSION:
            raise JournalError(f"{self.path} was written by a newer anura-edge (version {version}); upgrade this one")
        if version == VERSION:
            return
        # executescript would commit each statement by itself.
        with self.transaction() as db:
            version = self._version()  # read again: another process may have been faster
            for statement in chain.from_iterable(STEPS[version:]):
                db.execute(statement)
            if version == 0:
                db.execute("INSERT INTO journal (id) VALUES (?)", (str(uuid4()),))
            for kind in ROW_TYPES if version < VERSION else ():
                db.execute(f"UPDATE {kind} SET checksum = row_checksum({summed_columns(db, kind)})")
            db.execute("UPDATE journal SET version = ?", (VERSION,))
            db.execute(f"PRAGMA user_version = {VERSION}")

    def belong_to(self, machine: str | None) -> bool:
        """Give the journal a new identity if another computer used it last. Return whether it has a new one.

        So rows and numbers of a copied memory card are never taken for those of its original. Rows that wait are sent
        under the new identity; their ids are the same, and each is stored once. Raises JournalFullError.
        """
        with self.reading() as db:
            (last,) = db.execute("SELECT machine FROM journal").fetchone()
        if machine is None or machine == last:
            return False
        fresh = self.id if last is None else uuid4()
        with self.transaction() as db:
            db.execute("UPDATE journal SET machine = ?, id = ?", (machine, str(fresh)))
        self.id = fresh
        return last is not None

    def _version(self) -> int:
        """Return the version of the tables. It is stored twice, so that damage does not look like another version."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        has_tables = bool(self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'outbox'").fetchone())
        has_copy = bool(
            self._db.execute("SELECT 1 FROM pragma_table_info('journal') WHERE name = 'version'").fetchone()
        )
        (copy,) = self._db.execute("SELECT version FROM journal").fetchone() or (None,) if has_copy else (version,)
        if copy not in (version, None) or has_tables != bool(version):
            raise DamagedRowError(f"its tables have the version {version} or {copy}")
        return int(version)

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
            self._refuse_if_deleted()
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except (sqlite3.Error, DamagedRowError, UnicodeDecodeError) as error:
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

    def _failed(self, verb: str, error: Exception) -> JournalError:
        failure = journal_error(verb, self.path, error)
        if isinstance(failure, JournalDamagedError) or is_disk_fault(error):
            self._broken = failure
        if isinstance(failure, JournalDamagedError):
            with suppress(OSError):
                damaged_mark(self.path).touch()  # then the next start does not have to find the damage
        return failure

    def _refuse_if_broken(self) -> None:
        if self._broken:
            raise self._broken

    def _current_inodes(self) -> list[int]:
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return [file.stat().st_ino if file.exists() else 0 for file in files]

    def _refuse_if_deleted(self) -> None:
        """Save the rows if the files were deleted or replaced by others while they are open.

        SQLite goes on with the deleted files, and all of their rows would be lost at the end of the process.
        """
        if not self._inodes or self._current_inodes() == self._inodes:
            return
        try:
            result = f"its rows are saved in {self._save_copy()}; start again"
        except (sqlite3.Error, OSError) as error:
            result = f"its rows cannot be saved: {error}"
        self._broken = JournalError(f"{self.path} was deleted or replaced while it was in use; {result}")
        raise self._broken

    def _save_copy(self) -> Path:
        """Write the open database to its path, or beside it if there is another file now."""
        path = self.path if not self.path.exists() else self.path.with_name(f"{self.path.name}.rescued-{uuid4().hex}")
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as copy:
            self._db.backup(copy)
        return path


def damaged_mark(path: Path) -> Path:
    """Return the path of the empty file that marks the journal at `path` as damaged."""
    return path.with_name(f"{path.name}.damaged")
