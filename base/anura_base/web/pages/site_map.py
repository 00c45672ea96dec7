"""The page Map: the sites, near ones as one mark until the map is large enough."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.map_outline import Lines
from anura_base.analysis.network_status import DeviceStatus, device_statuses
from anura_base.analysis.site_map import HEIGHT, MAX_ZOOM, WIDTH, MapMark, MapView, project_sites
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, from_state, sorted_sites

MAX_LISTED = 100
"""Names of sites below the map."""

STATES = {"attention": "a device needs attention", "ok": "all devices work", "no-device": "no device yet"}
"""The worst first."""

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/map", response_class=HTMLResponse)
def map_page(
    request: Request,
    engine: Database,
    configured_sites: ConfiguredSites,
    outline: Annotated[Lines, from_state("outline")],
    zoom: Annotated[int, Query(ge=0, le=MAX_ZOOM)] = 0,
    latitude: Annotated[float | None, Query(ge=-90, le=90)] = None,
    longitude: Annotated[float | None, Query(ge=-180, le=180)] = None,
) -> HTMLResponse:
    """Show a part of the map. Its address is a permanent link."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        states = _site_states(device_statuses(connection, sites))
    found = project_sites(sites, MapView(zoom, latitude, longitude), outline)
    listed = [name for mark in found.marks for name in mark.names]
    values = {
        "sites": sites,
        "map": found,
        "size": (WIDTH, HEIGHT),
        "states": STATES,
        "state_of": lambda mark: _state_of(mark, states),
        "link": _query,
        "listed": sorted(listed[:MAX_LISTED], key=lambda name: (sites[name].title or name).casefold()),
        "in_view": len(listed),
    }
    return page(request, "site_map.html", **values)


def _query(view: MapView) -> str:
    return urlencode({"zoom": view.zoom, "latitude": view.latitude_deg, "longitude": view.longitude_deg})


def _state_of(mark: MapMark, states: Mapping[str, str]) -> str:
    """Return the worst state of the sites of a mark."""
    found = {states.get(name, "no-device") for name in mark.names}
    return next(state for state in STATES if state in found)


def _site_states(devices: list[DeviceStatus]) -> dict[str, str]:
    """Return `ok` or `attention` for each site with a device."""
    states: dict[str, str] = {}
    for device in devices:
        needs_attention = device.needs_attention or states.get(device.site) == "attention"
        states[device.site] = "attention" if needs_attention else "ok"
    return states
