"""Calls per hour analysed: by night, by hours since sunset, by hour of the day, by site.

A rate is the number of calls divided by the hours analysed, of the same sites, nights and times. Without analysed audio
there is no rate: not sampled is not zero. A recording that two models analysed counts twice in both numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import CTE, ColumnElement, Connection, Integer, Select, Table, Text, column, func, select, values

from anura_base.analysis.effort import S_PER_HOUR
from anura_base.analysis.rollup_tables import call_slots, effort_slots
from anura_base.config.settings import Site
from anura_edge.events import EffortState
from anura_edge.nights import SLOTS_PER_HOUR, Night, nights, split_at_clock_changes

MAX_NIGHTS = 400
"""Most nights in one heatmap."""

SUN_HOURS = range(-6, 18)
"""Hours since sunset in a heatmap: from the afternoon to the next noon in any season."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Calls and effort of one cell of a heatmap."""

    calls: int
    hours: float
    """Hours analysed."""

    @property
    def rate(self) -> float | None:
        """Calls per hour analysed; None if nothing was analysed."""
        return self.calls / self.hours if self.hours > 0 else None


@dataclass(frozen=True, slots=True)
class Grid:
    """The values of a heatmap: one row for each species or site, one cell for each column."""

    columns: Sequence[int]
    """Ordinals of dates, or hours."""
    rows: Mapping[str, Mapping[int, Cell]]
    """For each species or site, a cell for each column."""
    hours: Mapping[int, float]
    """Hours analysed in each column, of the sites of all rows together."""

    @property
    def highest(self) -> float:
        """The highest rate of all cells."""
        rates = (cell.rate for cells in self.rows.values() for cell in cells.values())
        return max((rate for rate in rates if rate), default=0.0)


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Consecutive slots of one night of one site."""

    site: str
    first: int
    end: int
    column: int
    """The column of all its slots; for heatmaps by hour, the slot from which hours are counted."""


def night_ranges(sites: Mapping[str, Site], first: date, last: date) -> list[SlotRange]:
    """Return a range for each night of each site. Its column is the date of the night."""
    return [
        SlotRange(name, night.first_slot, night.end_slot, night.evening.toordinal())
        for name, night in _all_nights(sites, first, last)
    ]


def sunset_ranges(sites: Mapping[str, Site], first: date, last: date) -> list[SlotRange]:
    """Return a range for each night of each site with a sunset. Its column is the slot of the sunset (15 minutes)."""
    return [
        SlotRange(name, night.first_slot, night.end_slot, night.sunset_slot)
        for name, night in _all_nights(sites, first, last)
        if night.sunset_slot is not None
    ]


def clock_ranges(sites: Mapping[str, Site], first: date, last: date) -> list[SlotRange]:
    """Return the ranges for columns of hours since noon on the local clock, also when daylight saving time changes."""
    return [
        SlotRange(name, start, end, noon)
        for name, night in _all_nights(sites, first, last)
        for start, end, noon in split_at_clock_changes(night, sites[name].zone)
    ]


def _all_nights(sites: Mapping[str, Site], first: date, last: date) -> Iterable[tuple[str, Night]]:
    return ((name, night) for name, site in sites.items() for night in nights(site, first, last))


def species_by_night(connection: Connection, ranges: Sequence[SlotRange], *, confirmed: bool = False) -> Grid:
    """Return the rate of each species in each night, of all sites together. `confirmed`: only of confirmed calls."""
    return _species_grid(connection, ranges, hourly=False, confirmed=confirmed)


def species_by_hour(
    connection: Connection, ranges: Sequence[SlotRange], hours: range, *, confirmed: bool = False
) -> Grid:
    """Return the rate of each species in each hour, over all nights and sites. `confirmed`: only of confirmed calls."""
    grid = _species_grid(connection, ranges, hourly=True, confirmed=confirmed)
    rows = {name: {h: cells.get(h, Cell(0, 0.0)) for h in hours} for name, cells in grid.rows.items()}
    return Grid(hours, rows, {h: grid.hours.get(h, 0.0) for h in hours})


def site_by_night(
    connection: Connection, ranges: Sequence[SlotRange], species: str, *, confirmed: bool = False
) -> Grid:
    """Return the rate of one species at each site in each night. `confirmed`: only of confirmed calls."""
    if not ranges:
        return Grid((), {}, {})
    spans = _as_table(ranges)
    calls = _calls(connection, spans, call_slots.c.site, hourly=False, confirmed=confirmed, species=species)
    analysed = _analysed_hours(connection, spans, hourly=False)
    columns = _night_columns(ranges)
    rows = {
        name: {n: Cell(calls.get(name, {}).get(n, 0), analysed.get((name, n), 0.0)) for n in columns}
        for name in sorted({each.site for each in ranges})
    }
    return Grid(columns, rows, _hours_of_all_sites(analysed))


@dataclass(frozen=True, slots=True)
class CallsAndEffort:
    """Calls and effort of each site, model and night."""

    calls: Mapping[tuple[str, str, str, int], int]
    """By site, species, model and column."""
    hours: Mapping[tuple[str, str, str, int], float]
    """By site, state of effort, model and column."""
    levels_dbfs: Mapping[tuple[str, int], float]
    """Mean level of the analysed audio by site and column, where it is known."""


def calls_and_effort(connection: Connection, ranges: Sequence[SlotRange]) -> CallsAndEffort:
    """Return calls and effort without adding up sites or models."""
    if not ranges:
        return CallsAndEffort({}, {}, {})
    spans = _as_table(ranges)
    found = []
    for table, kind, amount in ((call_slots, "species", "calls"), (effort_slots, "state", "seconds")):
        keys = table.c.site, table.c[kind], table.c.model_sha256, spans.c.zero
        query = _join(spans, table).add_columns(*keys, func.sum(table.c[amount])).where(table.c[amount] > 0)
        query = query.group_by(*keys)
        found.append({tuple(key): total for *key, total in connection.execute(query)})
    calls, seconds = found
    hours = {key: total / S_PER_HOUR for key, total in seconds.items()}
    return CallsAndEffort(calls, hours, _levels_dbfs(connection, spans))


def _levels_dbfs(connection: Connection, spans: CTE) -> dict[tuple[str, int], float]:
    c, keys = effort_slots.c, (effort_slots.c.site, spans.c.zero)
    mean = func.sum(c.level_dbfs_s) / func.sum(c.measured_s)
    query = _join(spans, effort_slots).add_columns(*keys, mean).group_by(*keys)
    query = query.where(c.state == EffortState.ANALYSED, c.measured_s > 0)
    return {(site, column): level for site, column, level in connection.execute(query)}


def _species_grid(connection: Connection, ranges: Sequence[SlotRange], *, hourly: bool, confirmed: bool) -> Grid:
    if not ranges:
        return Grid((), {}, {})
    spans = _as_table(ranges)
    calls = _calls(connection, spans, call_slots.c.species, hourly=hourly, confirmed=confirmed)
    hours = _hours_of_all_sites(_analysed_hours(connection, spans, hourly=hourly))
    columns = sorted(hours) if hourly else _night_columns(ranges)
    rows = {
        name: {n: Cell(calls[name].get(n, 0), hours.get(n, 0.0)) for n in columns}
        for name in sorted(calls, key=lambda name: (-sum(calls[name].values()), name))
    }
    return Grid(columns, rows, hours)


def _night_columns(ranges: Sequence[SlotRange]) -> list[int]:
    return sorted({each.column for each in ranges})


def _calls(
    connection: Connection,
    spans: CTE,
    row: ColumnElement[str],
    *,
    hourly: bool,
    confirmed: bool,
    species: str | None = None,
) -> dict[str, dict[int, int]]:
    """Return the number of calls, by the value of `row` (site or species) and by column."""
    number = _column(spans, call_slots, hourly=hourly)
    amount = call_slots.c.confirmed if confirmed else call_slots.c.calls
    query = _join(spans, call_slots).add_columns(row, number, func.sum(amount)).where(amount > 0)
    query = query.group_by(row, number)
    if species is not None:
        query = query.where(call_slots.c.species == species)
    calls: dict[str, dict[int, int]] = defaultdict(dict)
    for name, n, count in connection.execute(query):
        calls[name][n] = int(count)
    return calls


def _analysed_hours(connection: Connection, spans: CTE, *, hourly: bool) -> dict[tuple[str, int], float]:
    """Return the hours analysed at each site in each column."""
    number = _column(spans, effort_slots, hourly=hourly)
    query = _join(spans, effort_slots).add_columns(effort_slots.c.site, number, func.sum(effort_slots.c.seconds))
    query = query.where(effort_slots.c.state == EffortState.ANALYSED).group_by(effort_slots.c.site, number)
    return {(site, n): seconds / S_PER_HOUR for site, n, seconds in connection.execute(query)}


def _hours_of_all_sites(analysed: Mapping[tuple[str, int], float]) -> dict[int, float]:
    hours: dict[int, float] = defaultdict(float)
    for (_, number), h in analysed.items():
        hours[number] += h
    return hours


def _as_table(ranges: Sequence[SlotRange]) -> CTE:
    names = ("site", "first", "end_", "zero")
    # Literals, not parameters: a season of many sites has more values than a database accepts as parameters.
    rows = values(column("site", Text), *(column(name, Integer) for name in names[1:]), name="v", literal_binds=True)
    return rows.data([(each.site, each.first, each.end, each.column) for each in ranges]).cte("spans")


def _join(spans: CTE, table: Table) -> Select[tuple[()]]:
    inside = (table.c.site == spans.c.site) & (table.c.slot >= spans.c.first) & (table.c.slot < spans.c.end_)
    return select().select_from(spans.join(table, inside))


_SHIFT_H = 4 * 24
"""Added before a division, so that it rounds down for negative hours, too."""


def _column(spans: CTE, table: Table, *, hourly: bool) -> ColumnElement[int]:
    if not hourly:
        return spans.c.zero
    return (table.c.slot - spans.c.zero + _SHIFT_H * SLOTS_PER_HOUR) // SLOTS_PER_HOUR - _SHIFT_H
