"""The charts of the page Charts: each makes its strips, its table and its notes from the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from anura_base.analysis import heatmaps, seasons
from anura_base.analysis.heatmaps import Cell
from anura_base.analysis.seasons import DAYS_PER_WEEK, MAX_YEARS, WEEKS
from anura_base.config.settings import Site
from anura_base.web.charts.clock_chart import Sector, clock_chart
from anura_base.web.charts.heatmap_columns import local_hour
from anura_base.web.charts.strips import Columns, Scale, Strip, StripChart, Value, date_ticks, make_strip
from anura_base.web.filters import NightRange
from anura_edge.nights import night

MAX_STRIPS = 20
"""Species in the ridgeline; the table has all."""

MAX_SITES = 60
"""Sites in the comparison; the table has all."""

UNIT = "calls per hour of analysed audio"


@dataclass(frozen=True, slots=True)
class ChartQuery:
    """What a chart shows."""

    sites: Mapping[str, Site]
    """The selected sites."""
    span: NightRange
    species: str
    confirmed: bool
    link: str
    """Address of the selected calls of all nights, without a species."""

    def calls_link(self, **more: str) -> str:
        """Return the address of calls with more filters."""
        return f"{self.link}&{urlencode(more)}" if more else self.link


@dataclass(frozen=True, slots=True)
class View:
    """A chart, ready for its template."""

    head: Sequence[str]
    """Names of the table's columns."""
    rows: Sequence[Sequence[str | int | float | None]]
    """The table: all numbers of the chart, None where nothing was analysed."""
    unit: str = UNIT
    strips: StripChart | None = None
    sectors: Sequence[Sector] = ()
    bars: Sequence[tuple[str, str, Cell, float, str]] = ()
    """Of each site: name, title, calls and effort, share of the highest rate, address of its calls."""
    notes: Sequence[str] = field(default_factory=tuple)


def clock_view(connection: Connection, wanted: ChartQuery) -> View:
    """Nocturnal clock: the rate of a species by local hour."""
    span = wanted.span
    grid = heatmaps.species_by_clock_hour(connection, wanted.sites, span.first, span.last, confirmed=wanted.confirmed)
    cells = grid.rows.get(wanted.species) or {n: Cell(0, grid.hours[n]) for n in grid.columns}
    rows = [(f"{local_hour(n):02d}:00", *_numbers(cell)) for n, cell in sorted(cells.items())]
    return View(("local_hour", *CELL_HEAD), rows, sectors=clock_chart(cells))


def ridge_view(connection: Connection, wanted: ChartQuery) -> View:
    """Ridgeline: the rate of each species by night, each with its own scale."""
    span = wanted.span
    grid = heatmaps.species_by_night(connection, wanted.sites, span.first, span.last, confirmed=wanted.confirmed)
    strips = [
        _rate_strip(name, Columns(span.first, 1, wanted.calls_link(species=name)), [*cells.values()])
        for name, cells in [*grid.rows.items()][:MAX_STRIPS]
    ]
    rows = [
        (name, date.fromordinal(n).isoformat(), *_numbers(cell))
        for name, cells in grid.rows.items()
        for n, cell in cells.items()
    ]
    left = len(grid.rows) - len(strips)
    notes = [f"{left} species with fewer calls are in the table only."] if left > 0 else []
    chart = StripChart(strips, date_ticks(span.first, span.nights))
    return View(("species", "night", *CELL_HEAD), rows, strips=chart, notes=[OWN_SCALE, *notes])


def years_view(connection: Connection, wanted: ChartQuery) -> View:
    """Year over year: the rate of a species by week, a strip for each year with one scale."""
    weeks = seasons.weeks_by_year(_all_nights(connection, wanted), seasons.year_begin(wanted.sites))
    top = max((cell.rate or 0.0 for cells in weeks.values() for cell in cells), default=0.0)
    link = wanted.calls_link(species=wanted.species)
    strips = [
        _rate_strip(_year_name(begin), Columns(begin, DAYS_PER_WEEK, link), cells, top)
        for begin, cells in weeks.items()
    ]
    rows = [
        (_year_name(begin), (begin + timedelta(days=DAYS_PER_WEEK * week)).isoformat(), *_numbers(cell))
        for begin, cells in weeks.items()
        for week, cell in enumerate(cells)
    ]
    chart = StripChart(strips, _year_ticks(weeks, DAYS_PER_WEEK * WEEKS))
    return View(("year", "week_from", *CELL_HEAD), rows, strips=chart)


def phenology_view(connection: Connection, wanted: ChartQuery) -> View:
    """Phenology: the nights with calls of a species in each year, with the first and the last one."""
    found = seasons.seasons(_all_nights(connection, wanted), seasons.year_begin(wanted.sites))
    link = wanted.calls_link(species=wanted.species)
    texts = {None: "not analysed", 0: "no call", 1: "calls"}
    strips = []
    for season in found:
        name = _year_name(season.begin)
        if season.first_call and season.last_call:
            name += f": first {season.first_call:%d %b}, last {season.last_call:%d %b}"
        readings = [texts[state] for state in season.states]
        strips.append(make_strip(name, Columns(season.begin, 1, link), Scale(1, ""), season.states, readings))
    rows = [
        (
            _year_name(each.begin),
            _iso(each.first_call),
            _iso(each.last_call),
            each.nights_with_calls,
            each.nights_analysed,
        )
        for each in found
    ]
    chart = StripChart(strips, _year_ticks([each.begin for each in found], 365))
    head = ("year", "first_night", "last_night", "nights_with_calls", "nights_analysed")
    return View(head, rows, "nights with calls", strips=chart)


def accumulation_view(connection: Connection, wanted: ChartQuery) -> View:
    """Accumulation: the number of species found, and the hours that were analysed for it."""
    span = wanted.span
    grid = heatmaps.species_by_night(connection, wanted.sites, span.first, span.last, confirmed=wanted.confirmed)
    found = seasons.accumulation(grid)
    columns = Columns(span.first, 1, wanted.link)
    counts: list[Value] = [float(each.species) if each.is_analysed else None for each in found]
    hours: list[Value] = [each.hours if each.is_analysed else None for each in found]
    readings = [f"{each.species} species in {each.hours:.1f} h" for each in found]
    most_hours = found[-1].hours if found else 0.0
    species = len(grid.rows)
    strips = [
        make_strip("Species so far", columns, Scale(species, f"{species}"), counts, readings),
        make_strip("Hours analysed so far", columns, Scale(most_hours, f"{most_hours:,.0f} h"), hours, readings),
    ]
    rows = [(each.evening.isoformat(), each.species, round(each.hours, 4)) for each in found]
    chart = StripChart(strips, date_ticks(span.first, span.nights))
    return View(("night", "species", "hours_analysed"), rows, "species found", strips=chart)


def limits_view(connection: Connection, wanted: ChartQuery) -> View:
    """First and last call of each night, of a species at one site, on the local clock."""
    name, site = next(iter(wanted.sites.items()))
    span = wanted.span
    limits = seasons.call_limits(
        connection, name, site, span.first, span.last, wanted.species, confirmed=wanted.confirmed
    )
    cells = seasons.night_cells(connection, {name: site}, span.first, span.last, wanted.species)
    values: list[Value] = []
    readings, rows = [], []
    for age in range(span.nights):
        evening = span.first + timedelta(days=age)
        number = evening.toordinal()
        value: Value = None if number not in cells else 0.0
        text = "not analysed" if value is None else "no call"
        times: tuple[str | None, str | None] = (None, None)
        if number in limits:
            begin = night(site, evening).begin_utc
            first, last = limits[number]
            value = ((first - begin).total_seconds() / 3_600, (last - begin).total_seconds() / 3_600)
            times = _clock(first, site), _clock(last, site)
            text = f"first {times[0]}, last {times[1]}"
        values.append(value)
        readings.append(text)
        rows.append((evening.isoformat(), *times, None if value is None else int(number in limits)))
    columns = Columns(span.first, 1, wanted.calls_link(species=wanted.species))
    strip = make_strip(site.title or name, columns, Scale(24, "noon"), values, readings)
    chart = StripChart([strip], date_ticks(span.first, span.nights), 180, "midnight")
    notes = [f"The chart shows one site, {site.title or name}; choose another one above."]
    head = ("night", "first_call", "last_call", "present")
    return View(head, rows, f"local time ({site.zone}), from noon at the bottom to the next noon", chart, notes=notes)


def sites_view(connection: Connection, wanted: ChartQuery) -> View:
    """Site comparison: the rate of a species at each site, the highest first."""
    span = wanted.span
    cells = seasons.site_cells(
        connection, wanted.sites, span.first, span.last, wanted.species, confirmed=wanted.confirmed
    )
    ordered = sorted(cells, key=lambda name: (cells[name].rate is None, -(cells[name].rate or 0.0), name))
    top = max((cell.rate or 0.0 for cell in cells.values()), default=0.0)
    bars = [
        (name, wanted.sites[name].title or name, cells[name], (cells[name].rate or 0.0) / top if top else 0.0,
         wanted.calls_link(species=wanted.species, site=name, first=str(span.first), last=str(span.last)))
        for name in ordered[:MAX_SITES]
    ]  # fmt: skip
    left = len(ordered) - len(bars)
    notes = [f"{left} more sites are in the table only."] if left > 0 else []
    return View(("site", *CELL_HEAD), [(name, *_numbers(cells[name])) for name in ordered], bars=bars, notes=notes)


CELL_HEAD = ("calls", "hours_analysed", "calls_per_hour")

OWN_SCALE = "Each species has its own scale; its highest rate is at the right."

ChartView = Callable[[Connection, ChartQuery], View]


def _numbers(cell: Cell) -> tuple[int, float, float | None]:
    return cell.calls, round(cell.hours, 4), None if cell.rate is None else round(cell.rate, 4)


def _rate_strip(name: str, columns: Columns, cells: Sequence[Cell], top: float | None = None) -> Strip:
    highest = max((cell.rate or 0.0 for cell in cells), default=0.0) if top is None else top
    readings = [
        "not analysed" if cell.rate is None else f"{cell.rate:.3g} per hour ({cell.calls} in {cell.hours:.1f} h)"
        for cell in cells
    ]
    return make_strip(name, columns, Scale(highest, f"{highest:.3g}"), [cell.rate for cell in cells], readings)


def _all_nights(connection: Connection, wanted: ChartQuery) -> dict[int, Cell]:
    """Return the nights of the last MAX_YEARS years with data."""
    end = wanted.span.last
    limit = date(end.year - MAX_YEARS + 1, 1, 1)
    return seasons.night_cells(connection, wanted.sites, limit, end, wanted.species, confirmed=wanted.confirmed)


def _year_name(begin: date) -> str:
    return f"{begin.year}" if begin.month == 1 else f"{begin.year}/{(begin.year + 1) % 100:02d}"


def _year_ticks(begins: Mapping[date, object] | Sequence[date], nights: int) -> list[tuple[str, str]]:
    """Return the months of a year; all years begin in the same month."""
    begin = next(iter(begins), None)
    return date_ticks(begin, nights) if begin else []


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _clock(moment: datetime, site: Site) -> str:
    return f"{moment.astimezone(ZoneInfo(site.zone)):%H:%M:%S}"
