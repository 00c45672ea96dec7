"""Keeps the journal from filling the disk, in steps so small that nobody waits for them.

What was delivered goes when it is old. Above the size limit it goes at once, and only when none is left, rows go that
were never delivered: first those that were refused, then those that wait, of each the effort first, oldest first,
because events without effort say what called, while effort without its events would say that nothing did. A notice in
the same transaction counts them; notices never go.

The marks of what was heard (`recordings`, `unreadable`) stay for ever: a card may come back after years, and 100,000
files take 20 MB.
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
from anura_edge.store.journal import DEVICE_PROVENANCE, Journal, enqueue_row
from anura_edge.wire import EffortRow, EventRow, notice_row

STEP_ROWS = 500
"""So many rows a transaction: some milliseconds."""

TICK_S = 0.2
"""So long may a tick go on with its steps: a file is one commit, of more rows than a step removes."""

EVERY_S = 60.0
"""How often to look for what is old when there was nothing to do."""

_UNDELIVERED = (("dead_letter", "refused"), ("outbox", "waiting"))


class Retention:
    """Removes what the policy does not keep, a step at a time."""

    def __init__(self, journal: Journal, policy: JournalSettings) -> None:
        self._journal, self._policy = journal, policy
        self._next_at = 0.0

    def tick(self) -> None:
        """Take steps if it is time or the journal too large; call it after each commit.

        Raises JournalError if the journal cannot be used.
        """
        began = monotonic()
        if began < self._next_at and not self._is_too_large():
            return
        with suppress(JournalFullError):  # to remove takes room, too; there may be some in a while
            while self.step(datetime.now(UTC)):
                if monotonic() > began + TICK_S:
                    return
        self._next_at = monotonic() + EVERY_S

    def step(self, now: datetime) -> int:
        """Remove some rows, if there are too many, and return how many."""
        old = (now - timedelta(days=self._policy.retention_days)).isoformat()
        with self._journal.transaction() as db:
            removed = _remove_delivered(db, old)
            if removed or not self._is_too_large():
                return removed
            return _remove_delivered(db, now.isoformat()) or _drop_undelivered(db, now)

    def _is_too_large(self) -> bool:
        with self._journal.reading() as db:
            return _used_bytes(db) > self._policy.max_mb * 1e6


def _remove_delivered(db: Connection, before: str) -> int:
    oldest = f"SELECT seq FROM settled WHERE utc < ? ORDER BY seq LIMIT {STEP_ROWS}"
    return _remove(db, "settled", f"seq IN ({oldest})", before)


def _drop_undelivered(db: Connection, now: datetime) -> int:
    for (table, state), kind in product(_UNDELIVERED, (EffortRow.kind, EventRow.kind)):
        oldest = f"SELECT seq FROM {table} WHERE kind = ? ORDER BY seq LIMIT {STEP_ROWS}"
        if removed := _remove(db, table, f"seq IN ({oldest})", kind):
            detail = f"the journal is full: gave up the oldest {state} rows of the kind {kind}"
            notice = Notice(uuid4(), NoticeKind.ROWS_DROPPED, now, detail, amount=removed)
            enqueue_row(db, notice_row(0, notice, DEVICE_PROVENANCE))
            return removed
    return 0


def _remove(db: Connection, table: str, which: str, value: str) -> int:
    gone = db.execute(f"DELETE FROM {table} WHERE {which} RETURNING kind, id", (value,)).fetchall()
    for kind, id_ in gone:
        db.execute(f"DELETE FROM {kind} WHERE id = ?", (id_,))
        if kind == EventRow.kind:
            db.execute("DELETE FROM clip WHERE event = ?", (id_,))
    return len(gone)


def _used_bytes(db: Connection) -> int:
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
