"""Deletes rows from the journal in small steps, so that it does not fill the disk and no other thread waits long.

Delivered rows are deleted when the device has run for `journal.retention_days` since. Running time is counted by the
monotonic clock and added up over all starts, so a clock that is set to a wrong date deletes nothing. Above the size
limit they are deleted immediately. Only when none is left, rows are deleted that were never delivered: first dead
letters, then pending rows; of each, effort before events and the oldest first, because an event without its effort
still says what called, while effort without its events would say that nothing called. A notice in the same transaction
counts them. Notices are never deleted.

The tables of analysed files (`recordings`, `unreadable`) are never cleared: a card may come back after years, and
100,000 files take 20 MB.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import product
from sqlite3 import Connection
from time import monotonic
from uuid import uuid4

from anura_edge.config.operation import JournalSettings
from anura_edge.errors import JournalFullError
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.database import Database
from anura_edge.store.journal import DEFAULT_OWNER, DEVICE_PROVENANCE
from anura_edge.store.rows import enqueue_row
from anura_edge.wire import EffortRow, EventRow, Owner, notice_row

STEP_ROWS = 500
"""Rows that one transaction deletes: it takes some milliseconds."""

TICK_S = 0.2
"""The longest time that a tick continues with its steps. A file is one commit of more rows than a step deletes."""

DAY_S = 86_400.0

INTERVAL_S = 60.0
"""The time until the next search for old rows when there were none."""

_UNDELIVERED = (("dead_letter", "refused"), ("outbox", "waiting"))


class Retention:
    """Deletes the rows that the policy does not keep, one step at a time."""

    def __init__(
        self,
        database: Database,
        policy: JournalSettings,
        owner: Owner = DEFAULT_OWNER,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`owner` is the owner of the notices. `clock` returns monotonic time."""
        self._database, self._policy, self._owner, self._clock = database, policy, owner, clock
        self._counted_until_s = clock()
        self._next_at_s = 0.0

    def tick(self) -> None:
        """Delete rows if it is time or the journal is too large. Call it after each commit.

        Raises JournalError if the journal cannot be used.
        """
        began_s = self._clock()
        if began_s < self._next_at_s and not self._is_too_large():
            return
        with suppress(JournalFullError):  # A deletion takes room, too. There may be some later.
            while self.step():
                if self._clock() > began_s + TICK_S:
                    return
        self._next_at_s = self._clock() + INTERVAL_S

    def step(self) -> int:
        """Delete some rows if there are too many. Return their number."""
        now_s = self._clock()
        with self._database.transaction() as db:
            deleted = _delete_delivered(db, self._count_running_s(db, now_s) - self._policy.retention_days * DAY_S)
            if not deleted and self._is_too_large():
                deleted = _delete_delivered(db, math.inf) or _delete_undelivered(db, self._owner)
        self._counted_until_s = now_s
        return deleted

    def _count_running_s(self, db: Connection, now_s: float) -> float:
        """Add the time since the last count to the running time of the device. Return its sum over all starts."""
        update = "UPDATE journal SET running_s = running_s + ? RETURNING running_s"
        ((running_s,),) = db.execute(update, (now_s - self._counted_until_s,)).fetchall()
        return float(running_s)

    def _is_too_large(self) -> bool:
        with self._database.reading() as db:
            return _used_bytes(db) > self._policy.max_mb * 1e6


def _delete_delivered(db: Connection, before_s: float) -> int:
    oldest = f"SELECT seq FROM settled WHERE running_s < ? ORDER BY seq LIMIT {STEP_ROWS}"
    return _delete(db, "settled", f"seq IN ({oldest})", before_s)


def _delete_undelivered(db: Connection, owner: Owner) -> int:
    for (table, state), kind in product(_UNDELIVERED, (EffortRow.kind, EventRow.kind)):
        oldest = f"SELECT seq FROM {table} WHERE kind = ? ORDER BY seq LIMIT {STEP_ROWS}"
        if deleted := _delete(db, table, f"seq IN ({oldest})", kind):
            detail = f"the journal is full: the oldest {state} rows of the kind {kind} were deleted"
            notice = Notice(uuid4(), NoticeKind.ROWS_DROPPED, datetime.now(UTC), detail, amount=deleted)
            enqueue_row(db, notice_row(0, notice, DEVICE_PROVENANCE), owner)
            return deleted
    return 0


def _delete(db: Connection, table: str, condition: str, value: str | float) -> int:
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
