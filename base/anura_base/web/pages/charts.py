"""The page Charts: seasons, nights and sites, each rate divided by effort."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from anura_base.analysis.known_nights import list_species
from anura_base.web.api.paging import ConfirmedOnly
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.filters import parse_date, select_nights, select_sites
from anura_base.web.layout import page
from anura_base.web.pages import chart_views
from anura_base.web.pages.chart_views import ChartQuery, ChartView, View
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.results.spreadsheet import csv_text


class ChartKind(StrEnum):
    """The charts of the page."""

    RIDGES = "ridges"
    CLOCK = "clock"
    PHENOLOGY = "phenology"
    YEARS = "years"
    LIMITS = "limits"
    SITES = "sites"
    ACCUMULATION = "accumulation"


@dataclass(frozen=True, slots=True)
class Chart:
    """How a chart is named and made."""

    title: str
    view: ChartView
    of_species: bool = True
    """Whether it shows one species."""


CHARTS = {
    ChartKind.RIDGES: Chart("Species by night", chart_views.ridge_view, of_species=False),
    ChartKind.CLOCK: Chart("Nocturnal clock", chart_views.clock_view),
    ChartKind.PHENOLOGY: Chart("Phenology: nights with calls", chart_views.phenology_view),
    ChartKind.YEARS: Chart("Year over year", chart_views.years_view),
    ChartKind.LIMITS: Chart("First and last call of each night", chart_views.limits_view),
    ChartKind.SITES: Chart("Comparison of sites", chart_views.sites_view),
    ChartKind.ACCUMULATION: Chart("Accumulation of species", chart_views.accumulation_view, of_species=False),
}


@dataclass(frozen=True, slots=True)
class ChartFilters:
    """Filters in the address of the page."""

    chart: ChartKind = ChartKind.RIDGES
    site: Annotated[list[str] | None, Query()] = None
    species: Annotated[str, Query(max_length=600)] = ""
    first: Annotated[str, Query(max_length=20)] = ""
    last: Annotated[str, Query(max_length=20)] = ""
    confirmed: ConfirmedOnly = False


Filters = Annotated[ChartFilters, Depends()]

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/charts", response_class=HTMLResponse)
def charts_page(
    request: Request, engine: Database, configured_sites: ConfiguredSites, filters: Filters
) -> HTMLResponse:
    """Show one chart."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        names = list_species(connection)
        wanted = _query(connection, filters, configured_sites, names, root_of(request))
        chart = CHARTS[filters.chart]
        view = chart.view(connection, wanted) if wanted.sites else None
    return page(
        request, "seasons.html", filters=filters, chart=chart, charts=CHARTS, wanted=wanted, view=view,
        all_sites=sites, all_species=names, table_link=_table_link(root_of(request), filters, wanted),
    )  # fmt: skip


@router.get("/charts.csv", response_class=Response)
def charts_table(engine: Database, configured_sites: ConfiguredSites, filters: Filters) -> Response:
    """Return the numbers of a chart as a CSV table. NA stands for nights, weeks or hours without analysed audio."""
    with engine.connect() as connection:
        wanted = _query(connection, filters, configured_sites, list_species(connection), "")
        view = CHARTS[filters.chart].view(connection, wanted) if wanted.sites else View((), ())
    rows = (["NA" if value is None else value for value in row] for row in view.rows)
    return Response(csv_text([*view.head], rows), media_type="text/csv; charset=utf-8")


def _query(
    connection: Connection, filters: ChartFilters, configured: ConfiguredSites, names: Sequence[str], root: str
) -> ChartQuery:
    sites = select_sites(sorted_sites(connection, configured), filters.site or ())
    span = select_nights(connection, sites, parse_date("first", filters.first), parse_date("last", filters.last))
    species = filters.species or (names[0] if names else "")
    chosen = [("site", name) for name in filters.site or ()]
    if filters.chart is ChartKind.LIMITS:
        sites = dict([*sites.items()][:1])
        chosen = [("site", name) for name in sites]
    verdict = [("verdict", "confirmed" if filters.confirmed else "counted")]
    return ChartQuery(sites, span, species, filters.confirmed, f"{root}/calls?{urlencode([*chosen, *verdict])}")


def _table_link(root: str, filters: ChartFilters, wanted: ChartQuery) -> str:
    values = {
        "chart": filters.chart.value, "species": wanted.species, "site": filters.site or [],
        "first": wanted.span.first, "last": wanted.span.last, "confirmed": str(filters.confirmed).lower(),
    }  # fmt: skip
    return f"{root}/charts.csv?{urlencode(values, doseq=True)}"
