"""Series of nights, weeks, years and sites for the charts. Each value is divided by effort; pure, except the queries.

A year begins in January or, if most sites are in the south, in July: so a season of calls is in one year.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, Integer, and_, column, func, select, values

from anura_base.analysis.effort import S_PER_HOUR
from anura_base.analysis.heatmaps import Cell, Grid
from anura_base.analysis.sums import night_sums
from anura_base.analysis.verdicts import COUNTED_SPECIES, JUDGED_EVENTS, is_counted
from anura_base.config.settings import Site
from anura_base.db.schema import UtcDateTime, events, unknown_clock
from anura_edge.events import EffortState
from anura_edge.nights import nights

DAYS_PER_WEEK = 7
WEEKS = 53

MAX_YEARS = 10


@dataclass(frozen=True, slots=True)
class YearOfCalls:
    """When a species called in one year."""

    begin: date
    """The first night of the year."""
    first_call: date | None
    last_call: date | None
    nights_with_calls: int
    nights_analysed: int
    states: Sequence[int | None]
    """For each night of the year: 1 with calls, 0 without, None if nothing was analysed."""


@dataclass(frozen=True, slots=True)
class SpeciesCount:
    """The species found from the first night up to this one."""

    evening: date
    species: int
    hours: float
    """Hours analysed so far."""
    is_analysed: bool
    """Whether anything was analysed in this night."""


def night_cells(
    connection: Connection, sites: Mapping[str, Site], first: date, last: date, species: str, *, confirmed: bool = False
) -> dict[int, Cell]:
    """Return calls of a species and effort of all sites together, by the ordinal of each night with effort."""
    sums = night_sums(connection, sites, first, last)
    c, e = sums.calls.c, sums.effort.c
    amount = c.confirmed if confirmed else c.calls
    query = select(c.number, func.sum(amount)).where(c.species == species).group_by(c.number)
    calls = {number: int(count) for number, count in connection.execute(query)}
    hours = select(e.number, func.sum(e.seconds)).where(e.state == EffortState.ANALYSED).group_by(e.number)
    return {
        number: Cell(calls.get(number, 0), seconds / S_PER_HOUR)
        for number, seconds in connection.execute(hours)
        if seconds > 0
    }


def site_cells(
    connection: Connection, sites: Mapping[str, Site], first: date, last: date, species: str, *, confirmed: bool = False
) -> dict[str, Cell]:
    """Return calls of a species and effort of each site over all nights."""
    sums = night_sums(connection, sites, first, last)
    c, e = sums.calls.c, sums.effort.c
    amount = c.confirmed if confirmed else c.calls
    query = select(c.site, func.sum(amount)).where(c.species == species).group_by(c.site)
    calls = {name: int(count) for name, count in connection.execute(query)}
    hours = select(e.site, func.sum(e.seconds)).where(e.state == EffortState.ANALYSED).group_by(e.site)
    analysed = {name: seconds / S_PER_HOUR for name, seconds in connection.execute(hours)}
    return {name: Cell(calls.get(name, 0), analysed.get(name, 0.0)) for name in sites}


def call_limits(
    connection: Connection, name: str, site: Site, first: date, last: date, species: str, *, confirmed: bool = False
) -> dict[int, tuple[datetime, datetime]]:
    """Return the begin of the first and of the last call of a species at a site, by the ordinal of each night."""
    columns = (column("evening", Integer), column("begin_utc", UtcDateTime), column("end_utc", UtcDateTime))
    rows = [(each.evening.toordinal(), each.begin_utc, each.end_utc) for each in nights(site, first, last)]
    spans = values(*columns, name="v").data(rows).cte("spans")
    inside = and_(events.c.start_utc >= spans.c.begin_utc, events.c.start_utc < spans.c.end_utc)
    begin, end = (edge(events.c.start_utc, type_=UtcDateTime) for edge in (func.min, func.max))
    query = select(spans.c.evening, begin, end).select_from(spans.join(JUDGED_EVENTS, inside))
    query = query.where(events.c.site == name, ~unknown_clock(events), is_counted(confirmed=confirmed))
    query = query.where(COUNTED_SPECIES.in_([species])).group_by(spans.c.evening)
    return {evening: (earliest, latest) for evening, earliest, latest in connection.execute(query)}


def year_begin(sites: Mapping[str, Site]) -> int:
    """Return the month in which a year of the charts begins: 7 if most sites with a position are in the south."""
    south = [site.latitude_deg < 0 for site in sites.values() if site.latitude_deg is not None]
    return 7 if sum(south) * 2 > len(south) else 1


def first_night_of_year(night: date, month: int) -> date:
    """Return the first night of the year that has a night, if years begin in this month."""
    begin = night.replace(month=month, day=1)
    return begin if begin <= night else begin.replace(year=begin.year - 1)


def weeks_by_year(cells: Mapping[int, Cell], month: int) -> dict[date, list[Cell]]:
    """Return calls and effort of each week of each year, the oldest first. The key is the first night of the year.

    A week is seven nights from the first night of the year; the last one has one or two.
    """
    calls: dict[date, list[int]] = defaultdict(lambda: [0] * WEEKS)
    hours: dict[date, list[float]] = defaultdict(lambda: [0.0] * WEEKS)
    for number, cell in sorted(cells.items()):
        begin = first_night_of_year(date.fromordinal(number), month)
        week = (number - begin.toordinal()) // DAYS_PER_WEEK
        calls[begin][week] += cell.calls
        hours[begin][week] += cell.hours
    return {begin: [Cell(n, h) for n, h in zip(calls[begin], hours[begin], strict=True)] for begin in calls}


def seasons(cells: Mapping[int, Cell], month: int) -> list[YearOfCalls]:
    """Return when the species called in each year with effort, the oldest first."""
    years: dict[date, dict[int, Cell]] = defaultdict(dict)
    for number, cell in sorted(cells.items()):
        years[first_night_of_year(date.fromordinal(number), month)][number] = cell
    return [_season(begin, of_year) for begin, of_year in years.items()]


def _season(begin: date, cells: Mapping[int, Cell]) -> YearOfCalls:
    end = begin.replace(year=begin.year + 1).toordinal()
    called = [number for number, cell in cells.items() if cell.calls]
    states = [int(cells[n].calls > 0) if n in cells else None for n in range(begin.toordinal(), end)]
    first, last = (date.fromordinal(edge(called)) if called else None for edge in (min, max))
    return YearOfCalls(begin, first, last, len(called), len(cells), states)


def accumulation(grid: Grid) -> list[SpeciesCount]:
    """Return how many species were found up to each night, and in how many hours, from a grid of species by night."""
    first = {name: min((n for n, cell in row.items() if cell.calls), default=None) for name, row in grid.rows.items()}
    found, so_far, hours = [], 0, 0.0
    for number in grid.columns:
        so_far += sum(night == number for night in first.values())
        hours += grid.hours[number]
        found.append(SpeciesCount(date.fromordinal(number), so_far, hours, grid.hours[number] > 0))
    return found
