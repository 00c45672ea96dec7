"""The time that this base station has run, over all its starts, from a clock that cannot be set.

Retention measures ages with it. A calendar clock that is wrong for a few seconds, at the start or after a fault, would
otherwise delete everything. While the base station is off, nothing ages.
"""

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Table, func, insert, select

from anura_base.db.engine import insert_or_update
from anura_base.db.schema import age_marks, running_time

MARK_EVERY_S = 6 * 3_600.0
"""A row is deleted at most this long after its time."""

S_PER_DAY = 86_400


class RunningTime:
    """Adds the running time of this process to the stored sum."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._stored_at_s = clock()

    def store(self, connection: Connection) -> float:
        """Add the time since the last call. Return the sum in seconds."""
        now = self._clock()
        seconds = (connection.scalar(select(running_s())) or 0.0) + now - self._stored_at_s
        insert_or_update(connection, running_time, [{"id": 1, "seconds": seconds}])
        self._stored_at_s = now
        return seconds


def running_s() -> ScalarSelect[Any]:
    """Return the SQL expression for the stored running time in seconds."""
    return select(func.coalesce(func.max(running_time.c.seconds), 0.0)).scalar_subquery()


def mark_ages(connection: Connection, tables: Iterable[Table], now_s: float) -> None:
    """Store the highest arrival number of each table, if the last mark is old."""
    for table in tables:
        last_s = connection.scalar(select(func.max(age_marks.c.running_s)).where(age_marks.c.table_name == table.name))
        if last_s is None or now_s - last_s >= MARK_EVERY_S:
            highest = connection.scalar(select(func.max(table.c.arrival))) or 0
            mark = {"table_name": table.name, "running_s": now_s, "arrival": highest}
            connection.execute(insert(age_marks).values(mark))


def last_older_arrival(connection: Connection, table: Table, than_s: float) -> int:
    """Return the highest arrival number that was stored before a running time, 0 if there is none."""
    before = age_marks.c.table_name == table.name, age_marks.c.running_s <= than_s
    return connection.scalar(select(func.max(age_marks.c.arrival)).where(*before)) or 0
