"""The page Calls: search with filters, and reviews of several calls at once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.analysis import reviews
from anura_base.analysis.known_nights import latest_night, list_species
from anura_base.analysis.unknown_clocks import count_unknown_calls
from anura_base.config.settings import Site
from anura_base.exchange.call_filter import CallFilter, VerdictFilter
from anura_base.exchange.call_search import MAX_COUNTED, PAGE_ROWS, CallOrder, search
from anura_base.exchange.export import EXPORTS
from anura_base.web.auth.visitor import NEEDS_VIEWER, Reviewer, Viewer
from anura_base.web.call_filters import CallFilters, CallFiltersInAddress, query_of
from anura_base.web.changes import apply_change
from anura_base.web.filters import page_zone
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.events import Verdict

NIGHTS = 7
"""Nights on the page without a filter by time."""

LAST_PAGE = MAX_COUNTED // PAGE_ROWS

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/calls", response_class=HTMLResponse)
def calls_page(
    request: Request,
    viewer: Viewer,
    engine: Database,
    configured_sites: ConfiguredSites,
    filters: CallFiltersInAddress,
    order: CallOrder = CallOrder.NEWEST,
    number: Annotated[int, Query(alias="page", ge=1, le=LAST_PAGE)] = 1,
) -> HTMLResponse:
    """Show the calls that the filters select, by default those of the latest nights."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        wanted = _with_default_nights(connection, sites, filters, request)
        found = search(connection, wanted, sites, order, number)
        species = list_species(connection, rejected=True)
        unknown = count_unknown_calls(connection, wanted.sites) if wanted.has_time else 0
    shown = {name: sites[name] for name in wanted.sites if name in sites} or sites
    values = {
        "found": found,
        "wanted": wanted,
        "order": order,
        "orders": [*CallOrder],
        "verdicts": [*VerdictFilter],
        "page": number,
        "pages": min(-(-found.count // PAGE_ROWS), LAST_PAGE),
        "max_counted": MAX_COUNTED,
        "sites": sites,
        "all_species": species,
        "zone": page_zone(shown),
        "without_time": unknown,
        "query": query_of(wanted, order=order.value),
        "export_query": query_of(wanted),
        "formats": [name for name, each in EXPORTS.items() if each.of_calls],
        "may_review": viewer.role.allows(Role.REVIEW),
    }
    return page(request, "calls.html", **values)


@router.post("/calls/review")
def review_calls(
    request: Request,
    engine: Database,
    reviewer: Reviewer,
    event: Annotated[list[UUID], Form(min_length=1, max_length=PAGE_ROWS)],
    verdict: Annotated[Verdict, Form()],
    back: Annotated[str, Form(max_length=4_000)] = "",
) -> RedirectResponse:
    """Give the selected calls one verdict: `confirmed` or `rejected`."""
    if verdict not in {Verdict.CONFIRMED, Verdict.REJECTED}:
        raise HTTPException(422, f"verdict: several calls can be confirmed or rejected, not {verdict}")
    chosen = list(dict.fromkeys(event))

    def change(connection: Connection) -> None:
        for each in chosen:
            if reviews.find_event(connection, each) is None:
                raise HTTPException(404, f"there is no call {each}; its device may have withdrawn it")
            reviews.add_review(connection, each, reviewer.name, verdict)

    apply_change(engine, reviewer, f"{verdict} {len(chosen)} calls", change)
    return RedirectResponse(f"{root_of(request)}/calls?{back}", 303)


def _with_default_nights(
    connection: Connection, sites: Mapping[str, Site], filters: CallFilters, request: Request
) -> CallFilter:
    """Return the conditions of the address. An address without a time gets the latest nights with data.

    The form sends its dates even if they are empty: then it is about all nights.
    """
    wanted = filters.to_filter(VerdictFilter.COUNTED)
    if wanted.has_time or {"first", "last"} & request.query_params.keys():
        return wanted
    chosen = {name: sites[name] for name in wanted.sites if name in sites} or sites
    last = latest_night(connection, chosen)
    return replace(wanted, first=last - timedelta(days=NIGHTS - 1), last=last)
