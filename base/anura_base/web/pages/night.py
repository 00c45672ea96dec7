"""The page Night: calls, effort and sun of one site on a time axis."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.known_nights import latest_night, latest_night_of_site
from anura_base.analysis.night_timeline import INDEX_S, NightTimeline, read_timeline
from anura_base.analysis.unknown_clocks import MAX_RECORDINGS, unknown_clocks
from anura_base.config.settings import Site
from anura_base.web.api.paging import ConfirmedOnly
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.charts.time_axis import TimeAxis
from anura_base.web.filters import parse_date
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_edge.events import EffortState
from anura_edge.nights import Night, night

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/night", response_class=HTMLResponse)
def night_page(
    request: Request,
    engine: Database,
    configured_sites: ConfiguredSites,
    site: Annotated[str, Query(max_length=64)] = "",
    evening: Annotated[str, Query(max_length=20)] = "",
    confirmed: ConfirmedOnly = False,
) -> HTMLResponse:
    """Show a night of a site, by default the latest night of the first site."""
    requested = parse_date("evening", evening)
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        if not sites:
            return page(request, "night.html", sites=sites, timeline=None)
        name = site or next(iter(sites))
        if name not in sites:
            raise HTTPException(404, f"there is no site {name}; the sites are: {', '.join(sites)}")
        day = requested or latest_night_of_site(connection, name, sites[name]) or latest_night(connection, sites)
        found = _night(sites[name], day)
        timeline = read_timeline(connection, name, found, confirmed=confirmed)
        without_time = len(unknown_clocks(connection, MAX_RECORDINGS, name))
    values = {
        "name": name,
        "site": sites[name],
        "night": found,
        "confirmed": confirmed,
        "without_time": without_time,
        "axis": TimeAxis(timeline.begin, timeline.end, sites[name].zone),
        "index_s": INDEX_S,
        "state_hours": _state_hours(timeline),
        "before": day - timedelta(days=1),
        "after": day + timedelta(days=1),
    }
    return page(request, "night.html", sites=sites, timeline=timeline, **values)


def _night(site: Site, day: date) -> Night:
    try:
        return night(site, day)
    except OverflowError as error:
        raise HTTPException(422, f"evening: the calendar has no night of {day}; choose another date") from error


def _state_hours(timeline: NightTimeline) -> Mapping[str, float]:
    """Return the hours of all devices in each state of effort."""
    return {
        state: sum(b - a for device in timeline.effort.values() for a, b in device.get(state, ())) / 3_600
        for state in EffortState
        if any(state in device for device in timeline.effort.values())
    }
