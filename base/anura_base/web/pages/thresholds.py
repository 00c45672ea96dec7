"""The page that sends the threshold of a species to the devices that report it."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.analysis.precision import estimate_precision
from anura_base.analysis.reviews import reported_as
from anura_base.updates.thresholds import send_thresholds, threshold_targets
from anura_base.web.auth.visitor import NEEDS_VIEWER, Admin, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of

Species = Annotated[str, Query(min_length=1, max_length=600)]
SiteName = Annotated[str, Query(max_length=64)]

router = APIRouter(prefix="/review/thresholds", dependencies=[NEEDS_VIEWER])


@router.get("", response_class=HTMLResponse)
def thresholds_page(
    request: Request,
    viewer: Viewer,
    engine: Database,
    configured_sites: ConfiguredSites,
    species: Species,
    site: SiteName = "",
) -> HTMLResponse:
    """Show the devices that report a species, and the thresholds that were sent to them."""
    with engine.connect() as connection:
        values = {
            "species": species,
            "site": site,
            "sites": sorted_sites(connection, configured_sites),
            "targets": threshold_targets(connection, *reported_as(connection, species, site)),
            "suggested": estimate_precision(connection, species, site).suggested,
            "may_send": viewer.role.allows(Role.ADMIN),
        }
    return page(request, "thresholds.html", **values)


@router.post("")
def send(
    request: Request,
    admin: Admin,
    engine: Database,
    species: Species,
    threshold: Annotated[float, Form(gt=0, le=1)],
    device: Annotated[list[str] | None, Form()] = None,
    site: SiteName = "",
) -> RedirectResponse:
    """Order the chosen devices to use a threshold for the species."""
    chosen = set(device or ())

    def change(connection: Connection) -> None:
        targets = threshold_targets(connection, *reported_as(connection, species, site))
        send_thresholds(connection, [each for each in targets if each.name in chosen], threshold, datetime.now(UTC))

    text = f"sent the threshold {threshold:g} for {species} to {', '.join(sorted(chosen)) or 'no device'}"
    apply_change(engine, admin, text, change, refused_status=422)
    return RedirectResponse(
        f"{root_of(request)}/review/thresholds?{urlencode({'species': species, 'site': site})}", 303
    )
