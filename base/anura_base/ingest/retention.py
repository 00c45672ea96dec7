"""Remove rows and clips after the time in the settings, a few rows at a time.

The progress of the journals stays: a removed row is not missing, and no device is asked for it again.
"""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from time import monotonic

from sqlalchemy import Engine, Table, delete, select, update

from anura_base.clips.blobs import delete_orphans
from anura_base.clips.tables import OPEN, ClipState, clips
from anura_base.config.settings import ClipSettings, RetentionSettings
from anura_base.db.engine import write_transaction
from anura_base.db.schema import effort, events
from anura_base.ingest.batch import DEFAULT_LIMITS

log = logging.getLogger(__name__)

EVERY_S = 3_600.0

MAX_ROWS = 5_000
"""Rows removed in one transaction, so that new messages do not wait for long."""


class RetentionJob:
    """Removes old rows once an hour."""

    def __init__(self, retention: RetentionSettings, clips: ClipSettings = DEFAULT_LIMITS) -> None:
        self._days = {events: retention.events_days, effort: retention.effort_days}
        self._clips_days, self._unfinished_days = retention.clips_days, clips.unfinished_days
        self._next_at = monotonic()
        self.removed: Counter[str] = Counter()
        """Rows removed since the start, by table."""
        self._logged: Counter[str] = Counter()

    def run_if_due(self, engine: Engine) -> None:
        """Remove some old rows if the time has come. Raises SQLAlchemyError."""
        if monotonic() < self._next_at:
            return
        self._next_at = monotonic() + EVERY_S  # also after an error
        now = datetime.now(UTC)
        removed = {
            table.name: _remove(engine, table, now - timedelta(days=days))
            for table, days in self._days.items()
            if days is not None
        }
        _remove_clips(engine, now, self._clips_days, self._unfinished_days)
        self.removed.update(removed)
        if any(count == MAX_ROWS for count in removed.values()):
            self._next_at = monotonic()  # there may be more
            return
        for name, count in (self.removed - self._logged).items():
            log.info("removed %d rows of %s that were older than `retention` allows", count, name)
        self._logged = self.removed.copy()


def _remove(engine: Engine, table: Table, before: datetime) -> int:
    """Remove the oldest rows that were received before a moment; return how many.

    The time of reception counts, not the time of recording: an old card must not be removed while it is read.
    """
    # In order of arrival, which is the primary key and, unless a clock was set back, the order of reception.
    query = select(table.c.arrival, table.c.received_utc).order_by(table.c.arrival).limit(MAX_ROWS)
    with write_transaction(engine) as connection:
        old = [arrival for arrival, received_utc in connection.execute(query) if received_utc < before]
        if old:
            connection.execute(delete(table).where(table.c.arrival.in_(old)))
    return len(old)


def _remove_clips(engine: Engine, now: datetime, days: float | None, unfinished_days: float) -> None:
    """Remove old clips, clips of removed events, and the parts of clips that stay incomplete."""
    with write_transaction(engine) as connection:
        too_late = [clips.c.state.in_(OPEN), clips.c.changed_utc < now - timedelta(days=unfinished_days)]
        connection.execute(update(clips).where(*too_late).values(state=ClipState.EXPIRED))
        if days is not None:
            old = [clips.c.state == ClipState.HERE, clips.c.changed_utc < now - timedelta(days=days)]
            connection.execute(delete(clips).where(*old))
        delete_orphans(connection)
