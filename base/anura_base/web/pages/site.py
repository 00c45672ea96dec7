"""The page of one site: its devices, its nights and its position."""

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.network_status import device_statuses
from anura_base.analysis.site_history import read_site_nights
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites

NIGHTS = 14

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/network/{site}", response_class=HTMLResponse)
def site_page(request: Request, engine: Database, configured_sites: ConfiguredSites, site: str) -> HTMLResponse:
    """Show one site."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        if site not in sites:
            raise HTTPException(404, f"there is no site {site}; see the page Network")
        devices = [each for each in device_statuses(connection, {site: sites[site]}) if each.site == site]
        nights = read_site_nights(connection, site, sites[site], datetime.now(UTC), NIGHTS)
    values = {"name": site, "site": sites[site], "sites": sites, "devices": devices, "nights": nights}
    return page(request, "site.html", **values)
