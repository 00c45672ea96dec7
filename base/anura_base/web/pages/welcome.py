"""The first steps with a new base station, and which of them are done. The page updates itself."""

from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.access.accounts import has_users
from anura_base.analysis.sites import all_sites
from anura_base.db.schema import devices, effort
from anura_base.web.auth.visitor import Admin
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database

router = APIRouter()


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """Which steps are done."""

    user: bool
    site: bool
    """Whether a site has a position and a time zone."""
    device: bool
    rows: bool

    @property
    def done(self) -> int:
        """Number of steps that are done."""
        return sum((self.user, self.site, self.device, self.rows))


@router.get("/welcome", response_class=HTMLResponse)
def welcome_page(request: Request, engine: Database, _admin: Admin, configured_sites: ConfiguredSites) -> HTMLResponse:
    """Show the first steps."""
    with engine.connect() as connection:
        sites = all_sites(connection, configured_sites)
        steps = FirstSteps(
            user=has_users(connection),
            site=any(site.latitude_deg is not None for site in sites.values()),
            device=connection.execute(select(devices.c.device).limit(1)).first() is not None,
            rows=connection.execute(select(effort.c.arrival).limit(1)).first() is not None,
        )
    return page(request, "welcome.html", steps=steps, sites=sites, host=request.url.hostname)
