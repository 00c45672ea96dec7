"""Removes rows that came long ago, if the settings ask for it, a few at a time.

What is known of a journal's numbers stays: a row that has gone is no hole, and is not asked for again.
"""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import monotonic

from sqlalchemy import Engine, Table, delete, select, update

from anura_base.clips.blobs import sweep
from anura_base.clips.tables import OPEN, ClipState, clips
from anura_base.config.settings import Clips, Retention
from anura_base.db.engine import write_transaction
from anura_base.db.schema import effort, events
from anura_base.ingest.batch import DEFAULT_LIMITS

log = logging.getLogger(__name__)

EVERY_S = 3_600.0
"""How often it looks for what is too old."""

MAX_ROWS = 5_000
"""Removed in one transaction, so that what comes meanwhile does not wait for long."""


class RetentionJob:
    """Looks for old rows now and then."""

    def __init__(self, retention: Retention, clips: Clips = DEFAULT_LIMITS) -> None:
        self._days = {events: retention.events_days, effort: retention.effort_days}
        self._clips_days, self._unfinished_days = retention.clips_days, clips.unfinished_days
        self._next_at = monotonic()
        self.removed: Counter[str] = Counter()
        """Rows that have gone since the start, by table."""
        self._said: Counter[str] = Counter()

    def run_if_due(self, engine: Engine) -> None:
        """Remove some old rows, if it is time to.

        Raises SQLAlchemyError.
        """
        if monotonic() < self._next_at:
            return
        self._next_at = monotonic() + EVERY_S  # also if it fails
        now = datetime.now(UTC)
        went = {
            table.name: _remove(engine, table, now - timedelta(days=days))
            for table, days in self._days.items()
            if days is not None
        }
        _clear_clips(engine, now, self._clips_days, self._unfinished_days)
        self.removed.update(went)
        if any(count == MAX_ROWS for count in went.values()):
            self._next_at = monotonic()  # there is more
            return
        for name, count in (self.removed - self._said).items():
            log.info("removed %d rows of %s that had come before their time in `retention`", count, name)
        self._said = self.removed.copy()


def _remove(engine: Engine, table: Table, before: datetime) -> int:
    """Remove the first rows that came before a moment; return how many.

    By when they came, not by when they were heard: a card of the year before last does not go as it is read.
    """
    # In the order of arrival, which is the primary key and, but for a clock that was set, that of the times.
    query = select(table.c.arrival, table.c.received_utc).order_by(table.c.arrival).limit(MAX_ROWS)
    with write_transaction(engine) as connection:
        old = [arrival for arrival, received_utc in connection.execute(query) if received_utc < before]
        if old:
            connection.execute(delete(table).where(table.c.arrival.in_(old)))
    return len(old)


def _clear_clips(engine: Engine, now: datetime, days: float | None, unfinished_days: float) -> None:
    """Remove clips that came long ago, those of calls that are gone, and what came of those that will not be whole."""
    with write_transaction(engine) as connection:
        too_long = [clips.c.state.in_(OPEN), clips.c.changed_utc < now - timedelta(days=unfinished_days)]
        connection.execute(update(clips).where(*too_long).values(state=ClipState.EXPIRED))
        if days is not None:
            old = [clips.c.state == ClipState.HERE, clips.c.changed_utc < now - timedelta(days=days)]
            connection.execute(delete(clips).where(*old))
        sweep(connection)
