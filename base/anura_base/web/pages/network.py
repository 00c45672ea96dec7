"""The page Network: every device, and a map of the sites."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.network_status import DeviceStatus, device_statuses
from anura_base.analysis.network_view import Show, Sort, arrange, group_by_site
from anura_base.analysis.site_map import HEIGHT, WIDTH, project_sites
from anura_base.db.incidents import latest_incidents
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites

INCIDENTS_SHOWN = timedelta(days=30)
"""For how long an incident is shown after it was last noticed."""

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/network", response_class=HTMLResponse)
def network_page(
    request: Request, engine: Database, configured_sites: ConfiguredSites,
    show: Show = Show.IN_USE, sort: Sort = Sort.PROBLEMS, search: Annotated[str, Query(max_length=64)] = "",
    group: bool = False,
) -> HTMLResponse:  # fmt: skip
    """Show all devices and the map."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        devices = device_statuses(connection, sites)
        incidents = latest_incidents(connection, datetime.now(UTC) - INCIDENTS_SHOWN)
    shown = arrange(devices, show, sort, search)
    values = {
        "devices": shown,
        "groups": group_by_site(shown),
        "in_use": sum(not device.retired for device in devices),
        "online": sum(device.state == "online" and not device.retired for device in devices),
        "with_problems": sum(device.needs_attention for device in devices),
        "show": show,
        "shows": [*Show],
        "sort": sort,
        "sorts": [*Sort],
        "search": search,
        "group": group,
        "query": f"?{request.url.query}" if request.url.query else "",
        "incidents": incidents,
        "sites": sites,
        "map": project_sites(sites),
        "size": (WIDTH, HEIGHT),
        "site_states": _site_states(devices),
    }
    return page(request, "network.html", **values)


def _site_states(devices: list[DeviceStatus]) -> dict[str, str]:
    """Return `ok` or `attention` for each site with a device."""
    states: dict[str, str] = {}
    for device in devices:
        needs_attention = device.needs_attention or states.get(device.site) == "attention"
        states[device.site] = "attention" if needs_attention else "ok"
    return states
