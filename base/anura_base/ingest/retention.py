"""Remove rows and clips after the time in the settings, a few rows at a time.

An age is counted in running time of the base station (see `db.running_time`), since the row was received. So neither a
wrong clock nor an old card removes a row. The progress of the journals stays: a removed row is not missing, and no
device is asked for it again.
"""

import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic

from sqlalchemy import Connection, Engine, Table, delete, select, update

from anura_base.analysis.stored_settings import retention_in_force
from anura_base.clips.blobs import delete_orphans
from anura_base.clips.tables import OPEN, ClipState, clips
from anura_base.config.settings import ClipSettings, RetentionSettings
from anura_base.db.engine import write_transaction
from anura_base.db.running_time import S_PER_DAY, RunningTime, last_older_arrival, mark_ages
from anura_base.db.schema import dead_letters, effort, events, superseded_rows
from anura_base.ingest.batch import DEFAULT_LIMITS

log = logging.getLogger(__name__)

EVERY_S = 600.0

MAX_ROWS = 5_000
"""Rows removed in one transaction, so that new messages do not wait for long."""


class RetentionJob:
    """Counts the running time, and removes rows and clips that are too old."""

    def __init__(
        self,
        retention: RetentionSettings,
        clips: ClipSettings = DEFAULT_LIMITS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._of_file = retention
        self._unfinished_days = clips.unfinished_days
        self._clock = clock
        self._running = RunningTime(clock)
        self._next_at = clock()
        self.removed: Counter[str] = Counter()
        """Rows removed since the start, by table."""
        self._logged: Counter[str] = Counter()

    def run_if_due(self, engine: Engine) -> None:
        """Remove some old rows if the time has come. Raises SQLAlchemyError."""
        if self._clock() < self._next_at:
            return
        self._next_at = self._clock() + EVERY_S  # also after an error
        with write_transaction(engine) as connection:
            now_s = self._running.store(connection)
            retention = retention_in_force(connection, self._of_file)
            days_of = {
                events: retention.events_days,
                effort: retention.effort_days,
                superseded_rows: retention.events_days,
                dead_letters: retention.refused_days,
            }
            mark_ages(connection, days_of, now_s)
        removed = {
            table.name: _remove(engine, table, now_s - days * S_PER_DAY)
            for table, days in days_of.items()
            if days is not None
        }
        with write_transaction(engine) as connection:
            _remove_clips(connection, now_s, retention.clips_days, self._unfinished_days)
        self.removed.update(removed)
        if any(count == MAX_ROWS for count in removed.values()):
            self._next_at = self._clock()  # there may be more
            return
        for name, count in (self.removed - self._logged).items():
            log.info("removed %d rows of %s that were older than `retention` allows", count, name)
        self._logged = self.removed.copy()


def _remove(engine: Engine, table: Table, before_s: float) -> int:
    """Remove the oldest rows that were received before a running time; return how many."""
    with write_transaction(engine) as connection:
        last = last_older_arrival(connection, table, before_s)
        oldest = select(table.c.arrival).where(table.c.arrival <= last).order_by(table.c.arrival).limit(MAX_ROWS)
        return connection.execute(delete(table).where(table.c.arrival.in_(oldest))).rowcount


def _remove_clips(connection: Connection, now_s: float, days: float | None, unfinished_days: float) -> None:
    """Remove old clips, clips of removed events, and the parts of clips that stay incomplete."""
    changed_s = clips.c.changed_running_s
    too_late = clips.c.state.in_(OPEN), changed_s < now_s - unfinished_days * S_PER_DAY
    connection.execute(update(clips).where(*too_late).values(state=ClipState.EXPIRED))
    if days is not None:
        old = clips.c.state == ClipState.HERE, changed_s < now_s - days * S_PER_DAY
        connection.execute(delete(clips).where(*old))
    delete_orphans(connection)
