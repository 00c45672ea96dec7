"""Calls per hour analysed: by night, by hours since sunset, by hour of the day, by site.

A rate is the number of calls divided by the hours analysed, of the same sites, nights and times. Without analysed audio
there is no rate: not sampled is not zero. A recording that two models analysed counts twice in both numbers.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import ColumnElement, Connection, func, select

from anura_base.analysis.effort import S_PER_HOUR
from anura_base.analysis.hours import HourTotals, hour_totals
from anura_base.analysis.rollup_tables import HourZero
from anura_base.analysis.sums import Sums, night_sums
from anura_base.config.settings import Site
from anura_edge.events import EffortState

MAX_NIGHTS = 400
"""Most nights in one heatmap."""


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


def species_by_night(
    connection: Connection, sites: Mapping[str, Site], first: date, last: date, *, confirmed: bool = False
) -> Grid:
    """Return the rate of each species in each night, of all sites together. `confirmed`: only of confirmed calls."""
    if not sites:
        return Grid((), {}, {})
    sums = night_sums(connection, sites, first, last)
    return _species_grid(connection, sums, _ordinals(first, last), confirmed=confirmed)


def species_by_sunset_hour(
    connection: Connection, sites: Mapping[str, Site], first: date, last: date, *, confirmed: bool = False
) -> tuple[Grid, int]:
    """Return the rate of each species in each hour since sunset, over all nights and sites.

    Also return the number of nights with analysed audio, of all sites, that are not included: their sunset is unknown.
    """
    totals = hour_totals(connection, sites, first, last, HourZero.SUNSET, confirmed=confirmed)
    return _hour_grid(totals, HourZero.SUNSET), totals.nights_without_zero


def species_by_clock_hour(
    connection: Connection, sites: Mapping[str, Site], first: date, last: date, *, confirmed: bool = False
) -> Grid:
    """Return the rate of each species in each hour since noon on the local clock, over all nights and sites."""
    totals = hour_totals(connection, sites, first, last, HourZero.NOON, confirmed=confirmed)
    return _hour_grid(totals, HourZero.NOON)


def site_by_night(
    connection: Connection,
    sites: Mapping[str, Site],
    first: date,
    last: date,
    species: str,
    *,
    confirmed: bool = False,
) -> Grid:
    """Return the rate of one species at each site in each night. `confirmed`: only of confirmed calls."""
    if not sites:
        return Grid((), {}, {})
    sums = night_sums(connection, sites, first, last)
    calls = _calls(connection, sums, sums.calls.c.site, confirmed=confirmed, species=species)
    analysed = _analysed_hours(connection, sums)
    columns = _ordinals(first, last)
    rows = {
        name: {n: Cell(calls.get(name, {}).get(n, 0), analysed.get((name, n), 0.0)) for n in columns}
        for name in sorted(sites)
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


def calls_and_effort(connection: Connection, sites: Mapping[str, Site], first: date, last: date) -> CallsAndEffort:
    """Return calls and effort of each night without adding up sites or models."""
    if not sites:
        return CallsAndEffort({}, {}, {})
    sums = night_sums(connection, sites, first, last)
    found = []
    for part, kind, amount in ((sums.calls, "species", "calls"), (sums.effort, "state", "seconds")):
        keys = part.c.site, part.c[kind], part.c.model_sha256, part.c.number
        query = select(*keys, func.sum(part.c[amount])).where(part.c[amount] > 0).group_by(*keys)
        found.append({(a, b, c, n): total for a, b, c, n, total in connection.execute(query)})
    calls, seconds = found
    hours = {key: total / S_PER_HOUR for key, total in seconds.items()}
    return CallsAndEffort(calls, hours, _levels_dbfs(connection, sums))


def _levels_dbfs(connection: Connection, sums: Sums) -> dict[tuple[str, int], float]:
    c = sums.effort.c
    mean = func.sum(c.level_dbfs_s) / func.sum(c.measured_s)
    query = select(c.site, c.number, mean).where(c.state == EffortState.ANALYSED, c.measured_s > 0)
    return {(site, n): level for site, n, level in connection.execute(query.group_by(c.site, c.number))}


def _species_grid(connection: Connection, sums: Sums, columns: Sequence[int], *, confirmed: bool) -> Grid:
    calls = _calls(connection, sums, sums.calls.c.species, confirmed=confirmed)
    return _grid(calls, _hours_of_all_sites(_analysed_hours(connection, sums)), columns)


def _hour_grid(totals: HourTotals, zero: HourZero) -> Grid:
    return _grid(totals.calls, {n: seconds / S_PER_HOUR for n, seconds in totals.seconds.items()}, zero.hours)


def _grid(calls: Mapping[str, Mapping[int, int]], hours: Mapping[int, float], columns: Sequence[int]) -> Grid:
    """Return a grid with a row for each species, the most frequent one first."""
    rows = {
        name: {n: Cell(calls[name].get(n, 0), hours.get(n, 0.0)) for n in columns}
        for name in sorted(calls, key=lambda name: (-sum(calls[name].values()), name))
    }
    return Grid(columns, rows, {n: hours.get(n, 0.0) for n in columns})


def _ordinals(first: date, last: date) -> range:
    return range(first.toordinal(), last.toordinal() + 1)


def _calls(
    connection: Connection, sums: Sums, row: ColumnElement[str], *, confirmed: bool, species: str | None = None
) -> dict[str, dict[int, int]]:
    """Return the number of calls, by the value of `row` (site or species) and by column."""
    c = sums.calls.c
    amount = c.confirmed if confirmed else c.calls
    query = select(row, c.number, func.sum(amount)).where(amount > 0).group_by(row, c.number)
    if species is not None:
        query = query.where(c.species == species)
    calls: dict[str, dict[int, int]] = defaultdict(dict)
    for name, n, count in connection.execute(query):
        calls[name][n] = int(count)
    return calls


def _analysed_hours(connection: Connection, sums: Sums) -> dict[tuple[str, int], float]:
    """Return the hours analysed at each site in each column."""
    c = sums.effort.c
    query = select(c.site, c.number, func.sum(c.seconds)).where(c.state == EffortState.ANALYSED)
    return {
        (site, n): seconds / S_PER_HOUR for site, n, seconds in connection.execute(query.group_by(c.site, c.number))
    }


def _hours_of_all_sites(analysed: Mapping[tuple[str, int], float]) -> dict[int, float]:
    hours: dict[int, float] = defaultdict(float)
    for (_, number), h in analysed.items():
        hours[number] += h
    return hours
