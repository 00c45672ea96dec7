"""Hours of audio in each state of effort, summed from the effort rows.

The heatmaps use the stored sums of `rollup` instead, which are made for each site but not for each device.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, cast, func, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from anura_base.config.settings import Site
from anura_base.db.schema import effort
from anura_edge.events import EffortState
from anura_edge.nights import night_date


def duration_s(columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[float]:
    """Return the SQL expression for the length of effort rows in seconds."""
    duration: ColumnElement[float] = cast(columns.samples, Double) / columns.rate_hz
    return duration


DURATION_S = duration_s(effort.c)
"""Length of an effort row, in seconds."""

MAX_EFFORT_SPAN = timedelta(days=2)
"""Of a longer effort row only this much counts: a device that sends nonsense must not fill the database."""

S_PER_HOUR = 3_600


def hours_by_state(connection: Connection, sites: Collection[str]) -> dict[tuple[str, str, str], float]:
    """Return the hours of all effort of some sites, by site, device and state."""
    c = effort.c
    # An hour that two models analysed, one after the other, is one hour of audio.
    columns = c.site, c.device, c.state, c.recording, c.first_sample, c.samples, c.rate_hz
    distinct = select(*columns).where(c.site.in_(sites)).distinct().subquery()
    hours = func.sum(duration_s(distinct.c)) / S_PER_HOUR
    group = distinct.c.site, distinct.c.device, distinct.c.state
    return {
        (site, device, state): h
        for site, device, state, h in connection.execute(select(*group, hours).group_by(*group))
    }


def analysed_hours_by_night(
    connection: Connection, sites: Mapping[str, Site], *conditions: ColumnElement[bool]
) -> dict[tuple[str, str], dict[date, float]]:
    """Return the hours analysed, by (site, device) and then by night. `conditions` select effort rows.

    A site that is not in `sites` is in UTC.
    """
    c = effort.c
    # Without the model: an hour that two models analysed, one after the other, is one hour of audio.
    columns = c.site, c.device, c.start_utc, c.recording, c.first_sample, c.samples, c.rate_hz
    query = select(*columns, DURATION_S.label("duration_s")).distinct()
    hours: dict[tuple[str, str], dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for row in connection.execute(query.where(c.state == EffortState.ANALYSED, *conditions)):
        night = night_date(row.start_utc, sites.get(row.site, Site()))
        hours[row.site, row.device][night] += row.duration_s / S_PER_HOUR
    return hours
