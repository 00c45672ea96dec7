"""Recordings whose clock source is `unknown`, and the last corrections by people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, case, func, literal, select, union_all

from anura_base.analysis.clock_corrections import clock_corrections
from anura_base.analysis.effort import DURATION_S, S_PER_HOUR
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.events import EffortState

MAX_RECORDINGS = 500
"""Recordings that a page shows."""


@dataclass(frozen=True, slots=True)
class UnknownClock:
    """A recording whose time is unknown."""

    site: str
    device: str
    recording: str
    recording_name: str
    begin_utc: datetime
    """The recorder's own time at its first row, as if it was UTC."""
    calls: int
    analysed_h: float


def unknown_clocks(connection: Connection, limit: int, site: str | None = None) -> list[UnknownClock]:
    """Return recordings whose clock source is `unknown`, by site, device and name. `site` selects one site."""
    hours = case((effort.c.state == EffortState.ANALYSED, DURATION_S / S_PER_HOUR), else_=0.0)
    of_calls = _unknown_rows(events, site).add_columns(literal(1).label("calls"), literal(0.0).label("hours"))
    rows = union_all(of_calls, _unknown_rows(effort, site).add_columns(literal(0), hours)).subquery()
    c = rows.c
    key = c.site, c.device, c.recording, c.recording_name
    query = select(*key, func.min(c.start_utc), func.sum(c.calls), func.sum(c.hours)).group_by(*key)
    found = connection.execute(query.order_by(c.site, c.device, c.recording_name).limit(limit))
    return [UnknownClock(*row[:5], calls=int(row[5]), analysed_h=float(row[6])) for row in found]


def count_unknown_calls(connection: Connection, sites: Sequence[str] = ()) -> int:
    """Return the number of calls whose time is unknown, of some sites or of all."""
    query = select(func.count()).select_from(events).where(unknown_clock(events))
    return connection.scalar(query.where(events.c.site.in_(sites)) if sites else query) or 0


def _unknown_rows(table: Table, site: str | None) -> Select[Any]:
    c = table.c
    query = select(c.site, c.device, c.recording, c.recording_name, c.start_utc).where(unknown_clock(table))
    return query if site is None else query.where(c.site == site)


def latest_corrections(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the last corrections, the newest first."""
    return connection.execute(select(clock_corrections).order_by(clock_corrections.c.number.desc()).limit(limit)).all()
