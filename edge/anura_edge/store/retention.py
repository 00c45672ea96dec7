"""Deletes rows from the journal in small steps, so that it does not fill the disk and no other thread waits long.

Delivered rows are deleted when they are old. Above the size limit they are deleted immediately. Only when none is left,
rows are deleted that were never delivered: first dead letters, then pending rows; of each, effort before events and the
oldest first, because an event without its effort still says what called, while effort without its events would say
that nothing called. A notice in the same transaction counts them. Notices are never deleted.

The tables of analysed files (`recordings`, `unreadable`) are never cleared: a card may come back after years, and
100,000 files take 20 MB.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from sqlite3 import Connection
from time import monotonic
from uuid import uuid4

from anura_edge.config.operation import JournalSettings
from anura_edge.errors import JournalFullError
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.database import Database
from anura_edge.store.journal import DEVICE_PROVENANCE
from anura_edge.store.rows import enqueue_row
from anura_edge.wire import EffortRow, EventRow, notice_row

STEP_ROWS = 500
"""Rows that one transaction deletes: it takes some milliseconds."""

TICK_S = 0.2
"""The longest time that a tick continues with its steps. A file is one commit of more rows than a step deletes."""

INTERVAL_S = 60.0
"""The time until the next search for old rows when there were none."""

_UNDELIVERED = (("dead_letter", "refused"), ("outbox", "waiting"))


class Retention:
    """Deletes the rows that the policy does not keep, one step at a time."""

    def __init__(self, database: Database, policy: JournalSettings) -> None:
        self._database, self._policy = database, policy
        self._next_at_s = 0.0

    def tick(self) -> None:
        """Delete rows if it is time or the journal is too large. Call it after each commit.

        Raises JournalError if the journal cannot be used.
        """
        began_s = monotonic()
        if began_s < self._next_at_s and not self._is_too_large():
            return
        with suppress(JournalFullError):  # A deletion takes room, too. There may be some later.
            while self.step(datetime.now(UTC)):
                if monotonic() > began_s + TICK_S:
                    return
        self._next_at_s = monotonic() + INTERVAL_S

    def step(self, now: datetime) -> int:
        """Delete some rows if there are too many. Return their number."""
        oldest = (now - timedelta(days=self._policy.retention_days)).isoformat()
        with self._database.transaction() as db:
            deleted = _delete_delivered(db, oldest)
            if deleted or not self._is_too_large():
                return deleted
            return _delete_delivered(db, now.isoformat()) or _delete_undelivered(db, now)

    def _is_too_large(self) -> bool:
        with self._database.reading() as db:
            return _used_bytes(db) > self._policy.max_mb * 1e6


def _delete_delivered(db: Connection, before: str) -> int:
    oldest = f"SELECT seq FROM settled WHERE utc < ? ORDER BY seq LIMIT {STEP_ROWS}"
    return _delete(db, "settled", f"seq IN ({oldest})", before)


def _delete_undelivered(db: Connection, now: datetime) -> int:
    for (table, state), kind in product(_UNDELIVERED, (EffortRow.kind, EventRow.kind)):
        oldest = f"SELECT seq FROM {table} WHERE kind = ? ORDER BY seq LIMIT {STEP_ROWS}"
        if deleted := _delete(db, table, f"seq IN ({oldest})", kind):
            detail = f"the journal is full: the oldest {state} rows of the kind {kind} were deleted"
            notice = Notice(uuid4(), NoticeKind.ROWS_DROPPED, now, detail, amount=deleted)
            enqueue_row(db, notice_row(0, notice, DEVICE_PROVENANCE))
            return deleted
    return 0


def _delete(db: Connection, table: str, condition: str, value: str) -> int:
    deleted = db.execute(f"DELETE FROM {table} WHERE {condition} RETURNING kind, id", (value,)).fetchall()
    for kind, id_ in deleted:
        db.execute(f"DELETE FROM {kind} WHERE id = ?", (id_,))
        if kind == EventRow.kind:
            db.execute("DELETE FROM clip WHERE event = ?", (id_,))
    return len(deleted)


def _used_bytes(db: Connection) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
