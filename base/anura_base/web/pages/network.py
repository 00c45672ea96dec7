"""Every device, and where the sites are."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.network_status import DeviceStatus, device_statuses
from anura_base.analysis.site_map import HEIGHT, WIDTH, project_sites
from anura_base.web.auth import Viewer
from anura_base.web.layout import Frame


def routes(frame: Frame) -> APIRouter:
    """Return the page."""
    router = APIRouter()

    @router.get("/network", response_class=HTMLResponse)
    def page(request: Request, viewer: Viewer) -> HTMLResponse:  # noqa: ARG001
        with frame.engine.connect() as connection:
            sites = frame.sites(connection)
            found = device_statuses(connection, sites)
        values = {
            "devices": found,
            "sites": sites,
            "map": project_sites(sites),
            "size": (WIDTH, HEIGHT),
            "well": _well(found),
        }
        return frame.page(request, "network.html", **values)

    return router


def _well(devices: list[DeviceStatus]) -> dict[str, str]:
    """Say of each site that has devices how they are, in a word for the map."""
    found: dict[str, str] = {}
    for device in devices:
        found[device.site] = "look" if device.needs_attention or found.get(device.site) == "look" else "well"
    return found
