"""Who called how often for each hour of listening: by night, by hours since sunset, by hour of the day, by site.

A rate is calls divided by hours analysed, of the same sites, nights and times. Where nothing was analysed there is no
rate: unsampled is not zero. A recording that two models heard counts twice on both sides of the division.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import CTE, ColumnElement, Connection, Integer, Select, Table, Text, column, func, select, values

from anura_base.analysis.nights import SLOTS_PER_HOUR, Night, nights, split_at_clock_changes
from anura_base.analysis.rollup import call_slots, effort_slots
from anura_base.config.settings import Site
from anura_edge.events import EffortState

MAX_NIGHTS = 400
"""As far as one heatmap reaches."""

SUN_HOURS = range(-6, 18)
"""Hours since sunset that a heatmap shows: from the afternoon to the next noon in any season."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What was heard in some listening."""

    calls: int
    hours: float
    """Hours analysed."""

    @property
    def rate(self) -> float | None:
        """Calls per hour of listening; None where nobody listened."""
        return self.calls / self.hours if self.hours > 0 else None


@dataclass(frozen=True, slots=True)
class Grid:
    """A heatmap's numbers."""

    columns: Sequence[int]
    """What the columns are: ordinals of dates, or hours."""
    rows: Mapping[str, Mapping[int, Cell]]
    """For each species or site, a cell for each column."""
    hours: Mapping[int, float]
    """Hours analysed in each column, of all rows' sites together."""

    @property
    def highest(self) -> float:
        """The highest rate of all."""
        rates = (cell.rate for cells in self.rows.values() for cell in cells.values())
        return max((rate for rate in rates if rate), default=0.0)


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Slots that belong together, of one night of one site."""

    site: str
    first: int
    end: int
    column: int
    """What the whole stretch counts for; or where its hours are counted from, as a slot."""


def night_ranges(sites: Mapping[str, Site], first: date, last: date) -> list[SlotRange]:
    """One column for each night."""
    return [
        SlotRange(name, night.first_slot, night.end_slot, night.evening.toordinal())
        for name, night in _all_nights(sites, first, last)
    ]


def sunset_ranges(sites: Mapping[str, Site], first: date, last: date) -> list[SlotRange]:
    """Hours are counted from the sunset, to the quarter of an hour; a night without one has no stretch."""
    return [
        SlotRange(name, night.first_slot, night.end_slot, night.sunset_slot)
        for name, night in _all_nights(sites, first, last)
        if night.sunset_slot is not None
    ]


def clock_ranges(sites: Mapping[str, Site], first: date, last: date) -> list[SlotRange]:
    """Hours are counted from noon as the site's clocks show it, on nights when they are changed, too."""
    return [
        SlotRange(name, start, end, noon)
        for name, night in _all_nights(sites, first, last)
        for start, end, noon in split_at_clock_changes(night, sites[name].zone)
    ]


def _all_nights(sites: Mapping[str, Site], first: date, last: date) -> Iterable[tuple[str, Night]]:
    return ((name, night) for name, site in sites.items() for night in nights(site, first, last))


def species_by_night(connection: Connection, stretches: Sequence[SlotRange]) -> Grid:
    """Return the rate of each species in each night, of all sites together."""
    return _grid(connection, stretches, call_slots.c.species.name, hourly=False)


def species_by_hour(connection: Connection, stretches: Sequence[SlotRange], hours: range) -> Grid:
    """Return the rate of each species in each hour, over all nights and sites."""
    grid = _grid(connection, stretches, call_slots.c.species.name, hourly=True)
    rows = {name: {h: cells.get(h, Cell(0, 0.0)) for h in hours} for name, cells in grid.rows.items()}
    return Grid(hours, rows, {h: grid.hours.get(h, 0.0) for h in hours})


def site_by_night(connection: Connection, stretches: Sequence[SlotRange], species: str) -> Grid:
    """Return the rate of one species at each site in each night."""
    return _grid(connection, stretches, call_slots.c.site.name, hourly=False, species=species)


@dataclass(frozen=True, slots=True)
class CallsAndEffort:
    """Calls and listening of each site, model and night."""

    calls: Mapping[tuple[str, str, str, int], int]
    """By site, species, model and column."""
    hours: Mapping[tuple[str, str, str, int], float]
    """By site, state of effort, model and column."""


def calls_and_effort(connection: Connection, stretches: Sequence[SlotRange]) -> CallsAndEffort:
    """Return calls and listening without adding up sites or models."""
    if not stretches:
        return CallsAndEffort({}, {})
    spans = _as_table(stretches)
    found = []
    for table, what, amount in ((call_slots, "species", "calls"), (effort_slots, "state", "seconds")):
        keys = table.c.site, table.c[what], table.c.model_sha256, spans.c.zero
        query = _joined(spans, table).add_columns(*keys, func.sum(table.c[amount])).group_by(*keys)
        found.append({tuple(key): total for *key, total in connection.execute(query)})
    calls, seconds = found
    return CallsAndEffort(calls, {key: total / 3_600 for key, total in seconds.items()})


def _grid(
    connection: Connection, stretches: Sequence[SlotRange], rows: str, *, hourly: bool, species: str | None = None
) -> Grid:
    if not stretches:
        return Grid((), {}, {})
    spans = _as_table(stretches)
    where = _column(spans, call_slots, hourly=hourly)
    calls: dict[str, dict[int, int]] = defaultdict(dict)
    query = _joined(spans, call_slots).add_columns(call_slots.c[rows], where, func.sum(call_slots.c.calls))
    if species is not None:
        query = query.where(call_slots.c.species == species)
    for name, number, count in connection.execute(query.group_by(call_slots.c[rows], where)):
        calls[name][number] = int(count)
    heard = _hours(connection, spans, hourly=hourly)
    hours: dict[int, float] = defaultdict(float)
    for (_, number), h in heard.items():
        hours[number] += h
    columns = sorted(hours if hourly else {stretch.column for stretch in stretches})
    if species is None:
        names = sorted(calls, key=lambda name: (-sum(calls[name].values()), name))
    else:
        names = sorted({stretch.site for stretch in stretches})

    def cell(name: str, number: int) -> Cell:
        listened = hours.get(number, 0.0) if species is None else heard.get((name, number), 0.0)
        return Cell(calls.get(name, {}).get(number, 0), listened)

    return Grid(columns, {name: {n: cell(name, n) for n in columns} for name in names}, hours)


def _hours(connection: Connection, spans: CTE, *, hourly: bool) -> dict[tuple[str, int], float]:
    """Return the hours analysed at each site in each column."""
    where = _column(spans, effort_slots, hourly=hourly)
    query = _joined(spans, effort_slots).add_columns(effort_slots.c.site, where, func.sum(effort_slots.c.seconds))
    query = query.where(effort_slots.c.state == EffortState.ANALYSED).group_by(effort_slots.c.site, where)
    return {(site, number): seconds / 3_600 for site, number, seconds in connection.execute(query)}


def _as_table(stretches: Sequence[SlotRange]) -> CTE:
    names = ("site", "first", "end_", "zero")
    # Written into the statement: a season of many sites is more values than a database takes as parameters.
    rows = values(column("site", Text), *(column(name, Integer) for name in names[1:]), name="v", literal_binds=True)
    data = [(s.site, s.first, s.end, s.column) for s in stretches]
    return rows.data(data).cte("spans")


def _joined(spans: CTE, table: Table) -> Select[tuple[()]]:
    inside = (table.c.site == spans.c.site) & (table.c.slot >= spans.c.first) & (table.c.slot < spans.c.end_)
    return select().select_from(spans.join(table, inside))


_DAYS = 4
"""Added before a division, so that it rounds down below zero, too."""


def _column(spans: CTE, table: Table, *, hourly: bool) -> ColumnElement[int]:
    if not hourly:
        return spans.c.zero
    shift = _DAYS * 24
    return (table.c.slot - spans.c.zero + shift * SLOTS_PER_HOUR) // SLOTS_PER_HOUR - shift
