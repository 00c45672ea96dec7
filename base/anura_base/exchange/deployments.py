"""Deployments: the time during which a device recorded at a site."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, func, select, union_all

from anura_base.analysis.effort import DURATION_S, MAX_EFFORT_SPAN
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.events import EffortState
from anura_edge.results.formats.source import Deployment


def read_deployments(connection: Connection) -> list[Deployment]:
    """Return all deployments, by site, device and clock."""
    e = effort.c
    of_events = _spans(events, events.c.end_utc)
    of_effort = _spans(effort, e.start_utc).where(e.state != EffortState.OFF)
    s = union_all(of_events, of_effort).subquery().c
    key = s.site, s.device, s.unknown
    query = select(*key, func.min(s.first), func.max(s.last)).group_by(*key).order_by(*key)
    found = []
    for site, device, unknown, first, last in connection.execute(query).all():
        clock = unknown_clock(effort) if unknown else ~unknown_clock(effort)
        within = e.site == site, e.device == device, clock, e.state != EffortState.OFF
        # No effort that begins earlier can be the last to end.
        late = connection.execute(select(e.start_utc, DURATION_S).where(*within, e.start_utc >= last - MAX_EFFORT_SPAN))
        longest_s = MAX_EFFORT_SPAN.total_seconds()
        ends = (start + timedelta(seconds=min(duration_s, longest_s)) for start, duration_s in late)
        found.append(Deployment(site, device, first, max([last, *ends]), unknown_clock=bool(unknown)))
    return found


def _spans(table: Table, end: Column[Any]) -> Select[Any]:
    c = table.c
    key = c.site, c.device, unknown_clock(table).label("unknown")
    return select(*key, func.min(c.start_utc).label("first"), func.max(end).label("last")).group_by(*key)
