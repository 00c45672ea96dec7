"""The page Species: calling rates by night, by hours since sunset, or by local hour."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from anura_base.analysis import heatmaps
from anura_base.analysis.heatmaps import Grid
from anura_base.analysis.known_nights import list_species
from anura_base.config.settings import Site
from anura_base.db.schema import events, unknown_clock
from anura_base.web.api.paging import ConfirmedOnly
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.charts.heatmap_columns import ColumnView, column_heads, local_hour
from anura_base.web.charts.line_chart import line_chart
from anura_base.web.filters import NightRange, parse_date, select_nights, select_sites
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.results.report.colour_scale import colour_scale
from anura_edge.results.spreadsheet import Cell, csv_text

MAX_ROWS = 60
"""Rows of a heatmap. A model may have hundreds of species, and each may have a false alarm."""


@dataclass(frozen=True, slots=True)
class SpeciesFilters:
    """Filters in the address of the page."""

    site: Annotated[list[str] | None, Query()] = None
    view: ColumnView = ColumnView.NIGHT
    species: Annotated[str, Query(max_length=600)] = ""
    first: Annotated[str, Query(max_length=20)] = ""
    last: Annotated[str, Query(max_length=20)] = ""
    confirmed: ConfirmedOnly = False

    @property
    def rows_are_sites(self) -> bool:
        """Whether the rows are sites. Otherwise they are species."""
        return bool(self.species) and self.view is ColumnView.NIGHT


@dataclass(frozen=True, slots=True)
class SpeciesRates:
    """Data of the species page: calls per hour of analysed audio."""

    grid: Grid
    sites: Mapping[str, Site]
    span: NightRange
    without_sunset: int
    """Nights with analysed audio, of all sites, whose hours since sunset are unknown."""


router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/species", response_class=HTMLResponse)
def species_page(
    request: Request,
    engine: Database,
    configured_sites: ConfiguredSites,
    filters: Annotated[SpeciesFilters, Depends()],
) -> HTMLResponse:
    """Show a heatmap, and a line chart of the hours."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        result = _read(connection, sites, filters)
        names = list_species(connection)
        without_time = connection.scalar(select(func.count()).select_from(events).where(unknown_clock(events)))
    values = {
        "filters": filters,
        "result": result,
        "all_sites": sites,
        "all_species": names,
        "without_time": without_time,
        "scale": colour_scale(result.grid.highest),
        "chart": None if filters.view is ColumnView.NIGHT else line_chart(result.grid),
        "heads": column_heads(result.grid.columns, filters.view),
        "rows": dict(list(result.grid.rows.items())[:MAX_ROWS]),
        "most_hours": max(result.grid.hours.values(), default=0.0),
        **_links(root_of(request), result, filters),
    }
    return page(request, "species.html", **values)


@router.get("/species.csv", response_class=Response)
def species_table(
    engine: Database, configured_sites: ConfiguredSites, filters: Annotated[SpeciesFilters, Depends()]
) -> Response:
    """Return the heatmap as a CSV table."""
    with engine.connect() as connection:
        result = _read(connection, sorted_sites(connection, configured_sites), filters)
    return Response(_csv(result.grid, filters), media_type="text/csv; charset=utf-8")


def _read(connection: Connection, all_sites: Mapping[str, Site], filters: SpeciesFilters) -> SpeciesRates:
    sites = select_sites(all_sites, filters.site or ())
    span = select_nights(connection, sites, parse_date("first", filters.first), parse_date("last", filters.last))
    without_sunset, nights = 0, (span.first, span.last)
    if filters.rows_are_sites:
        grid = heatmaps.site_by_night(connection, sites, *nights, filters.species, confirmed=filters.confirmed)
    elif filters.view is ColumnView.NIGHT:
        grid = heatmaps.species_by_night(connection, sites, *nights, confirmed=filters.confirmed)
    elif filters.view is ColumnView.SUNSET:
        grid, without_sunset = heatmaps.species_by_sunset_hour(connection, sites, *nights, confirmed=filters.confirmed)
    else:
        grid = heatmaps.species_by_clock_hour(connection, sites, *nights, confirmed=filters.confirmed)
    if filters.species and filters.view is not ColumnView.NIGHT:
        grid = replace(grid, rows={name: cells for name, cells in grid.rows.items() if name == filters.species})
    return SpeciesRates(grid, sites, span, without_sunset)


def _links(root: str, result: SpeciesRates, filters: SpeciesFilters) -> dict[str, Any]:
    """Return the links of rows, of columns, and of the CSV table."""
    nights: dict[str, Any] = {"first": result.span.first, "last": result.span.last, "site": filters.site or []}
    if filters.confirmed:
        nights["confirmed"] = "true"

    def row_link(name: str) -> str:
        if filters.rows_are_sites:
            return f"{root}/night?{urlencode({'site': name})}"
        return f"{root}/species?{urlencode({**nights, 'view': ColumnView.NIGHT, 'species': name}, doseq=True)}"

    def column_link(position: int) -> str:
        day = date.fromordinal(result.grid.columns[position])
        return f"{root}/night?{urlencode({'site': next(iter(result.sites)), 'evening': day})}"

    table = urlencode({**nights, "view": filters.view, "species": filters.species}, doseq=True)
    is_one_site = filters.view is ColumnView.NIGHT and len(result.sites) == 1
    return {
        "row_link": row_link,
        "column_link": column_link if is_one_site else None,
        "table_link": f"{root}/species.csv?{table}",
    }


def _csv(grid: Grid, filters: SpeciesFilters) -> str:
    column, value = _CSV_COLUMN[filters.view]
    first = "site" if filters.rows_are_sites else "species"
    rows = (
        [name, value(number), cell.calls, f"{cell.hours:.4f}", "NA" if cell.rate is None else f"{cell.rate:.4f}"]
        for name, cells in grid.rows.items()
        for number, cell in cells.items()
    )
    return csv_text([first, column, "calls", "hours_analysed", "calls_per_hour"], rows)


_CSV_COLUMN: dict[ColumnView, tuple[str, Callable[[int], Cell]]] = {
    ColumnView.NIGHT: ("night", lambda number: date.fromordinal(number).isoformat()),
    ColumnView.SUNSET: ("hours_since_sunset", int),
    ColumnView.CLOCK: ("hour", local_hour),
}
"""Name of the second column of the CSV table, and its value for a column of the grid."""
