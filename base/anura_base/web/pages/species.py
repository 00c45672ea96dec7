"""Species by night, by hours since sunset and by the clock: calls per hour of listening."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection, func, select
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from anura_base.analysis import heatmaps
from anura_base.analysis.heatmaps import SUN_HOURS, Grid
from anura_base.config.settings import Site
from anura_base.db.schema import events, unknown_clock
from anura_base.exchange.spreadsheet import Cell, csv_text
from anura_base.web.auth import Viewer
from anura_base.web.colours import scale
from anura_base.web.filters import SOME_NIGHTS, Span, as_date, choose_sites, choose_span, known_species
from anura_base.web.layout import Frame
from anura_base.web.line_chart import line_chart

MAX_ROWS = 60
"""Rows of a heatmap; a model may know hundreds of species, and report each once."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column."""

    group: str
    """Neighbours of one group share a head above theirs."""
    short: str
    long: str


class View(StrEnum):
    """What the columns are."""

    NIGHT = "night"
    SUNSET = "sunset"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address says."""

    site: Annotated[list[str] | None, Query()] = None
    view: View = View.NIGHT
    species: Annotated[str, Query(max_length=600)] = ""
    first: Annotated[str, Query(max_length=20)] = ""
    last: Annotated[str, Query(max_length=20)] = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What is shown."""

    grid: Grid
    sites: Mapping[str, Site]
    span: Span
    without_sunset: int
    """Nights of sites of which hours since sunset cannot be told."""


def routes(frame: Frame) -> APIRouter:
    """Return the page and the table behind it."""
    router = APIRouter()

    @router.get("/species", response_class=HTMLResponse)
    def page(request: Request, viewer: Viewer, choice: Annotated[Choice, Depends()]) -> HTMLResponse:  # noqa: ARG001
        with frame.engine.connect() as connection:
            everywhere = frame.sites(connection)
            result = _read(connection, everywhere, choice)
            names = known_species(connection)
            timeless = connection.scalar(select(func.count()).select_from(events).where(unknown_clock(events)))
        values = {
            "choice": choice,
            "result": result,
            "all_sites": everywhere,
            "all_species": names,
            "timeless": timeless,
            "scale": scale(result.grid.highest),
            "chart": None if choice.view is View.NIGHT else line_chart(result.grid),
            "heads": _heads(result.grid, choice.view),
            "shown": dict(list(result.grid.rows.items())[:MAX_ROWS]),
            "most_hours": max(result.grid.hours.values(), default=0.0),
            **_links(request.scope.get("root_path", ""), result, choice),
        }
        return frame.page(request, "species.html", **values)

    @router.get("/species.csv", response_class=Response)
    def table(viewer: Viewer, choice: Annotated[Choice, Depends()]) -> Response:  # noqa: ARG001
        with frame.engine.connect() as connection:
            result = _read(connection, frame.sites(connection), choice)
        return Response(_csv(result.grid, choice), media_type="text/csv; charset=utf-8")

    return router


def _read(connection: Connection, everywhere: Mapping[str, Site], choice: Choice) -> Result:
    sites = choose_sites(everywhere, choice.site or ())
    span = choose_span(connection, sites, as_date("first", choice.first), as_date("last", choice.last))
    without = 0
    if choice.view is View.NIGHT:
        stretches = heatmaps.night_ranges(sites, span.first, span.last)
        if choice.species:
            grid = heatmaps.site_by_night(connection, stretches, choice.species)
        else:
            grid = heatmaps.species_by_night(connection, stretches)
    elif choice.view is View.SUNSET:
        stretches = heatmaps.sunset_ranges(sites, span.first, span.last)
        without = len(sites) * span.nights - len(stretches)
        grid = heatmaps.species_by_hour(connection, stretches, SUN_HOURS)
    else:
        grid = heatmaps.species_by_hour(connection, heatmaps.clock_ranges(sites, span.first, span.last), range(24))
    if choice.species and choice.view is not View.NIGHT:
        grid = replace(grid, rows={name: cells for name, cells in grid.rows.items() if name == choice.species})
    return Result(grid, sites, span, without)


def _heads(grid: Grid, view: View) -> list[Head]:
    if view is View.SUNSET:
        return [Head("", f"{h:+d}" if h else "0", f"{h:+d} to {h + 1:+d} h from sunset") for h in grid.columns]
    if view is View.CLOCK:
        return [Head("", f"{h:02d}", f"{h:02d}:00 to {h:02d}:59") for h in map(_hour, grid.columns)]
    days = [date.fromordinal(number) for number in grid.columns]
    # With more nights than a screen has room for, only each Monday is named.
    every = len(days) <= SOME_NIGHTS + 1
    return [Head(f"{day:%Y-%m}", f"{day:%d}" if every or not day.weekday() else "", f"{day:%d %B %Y}") for day in days]


def _hour(since_noon: int) -> int:
    return (since_noon + 12) % 24


def _links(root: str, result: Result, choice: Choice) -> dict[str, Any]:
    """Return where a row, a column and the page itself lead."""
    nights: dict[str, Any] = {"first": result.span.first, "last": result.span.last, "site": choice.site or []}

    def row(name: str) -> str:
        if choice.species and choice.view is View.NIGHT:
            return f"{root}/night?{urlencode({'site': name})}"
        return f"{root}/species?{urlencode({**nights, 'view': View.NIGHT, 'species': name}, doseq=True)}"

    def column(position: int) -> str:
        day = date.fromordinal(result.grid.columns[position])
        return f"{root}/night?{urlencode({'site': next(iter(result.sites)), 'evening': day})}"

    table = urlencode({**nights, "view": choice.view, "species": choice.species}, doseq=True)
    alone = choice.view is View.NIGHT and len(result.sites) == 1
    return {"row_link": row, "column_link": column if alone else None, "table_link": f"{root}/species.csv?{table}"}


def _csv(grid: Grid, choice: Choice) -> str:
    of_site = bool(choice.species) and choice.view is View.NIGHT
    column, value = _COLUMN[choice.view]
    head = ["site" if of_site else "species", column, "calls", "hours_analysed", "calls_per_hour"]
    rows = (
        [name, value(number), cell.calls, f"{cell.hours:.4f}", "NA" if cell.rate is None else f"{cell.rate:.4f}"]
        for name, cells in grid.rows.items()
        for number, cell in cells.items()
    )
    return csv_text(head, rows)


_COLUMN: dict[View, tuple[str, Callable[[int], Cell]]] = {
    View.NIGHT: ("night", lambda number: date.fromordinal(number).isoformat()),
    View.SUNSET: ("hours_since_sunset", int),
    View.CLOCK: ("hour", _hour),
}
"""What a table calls its second column, and how it writes a column of the grid."""
