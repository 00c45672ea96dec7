"""The digest of a night as a page, to print or to save as PDF. The same is sent by schedule (`digests`)."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from starlette.responses import HTMLResponse

from anura_base.analysis.known_nights import latest_night
from anura_base.digests.digest_message import digest_html
from anura_base.digests.night_digest import read_digest
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.filters import parse_date
from anura_base.web.state import ConfiguredSites, Database, sorted_sites

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/digest", response_class=HTMLResponse)
def digest_page(
    engine: Database,
    configured_sites: ConfiguredSites,
    site: Annotated[str, Query(max_length=64)] = "",
    evening: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Show the digest of a night: of one site, or of all sites."""
    requested = parse_date("evening", evening)
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        if site and site not in sites:
            raise HTTPException(404, f"there is no site {site}; see the page Network")
        night = requested or latest_night(connection, sites)
        try:
            digest = read_digest(connection, sites, (site,) if site else (), night)
        except OverflowError as error:
            raise HTTPException(422, f"evening: the calendar has no night of {night}; choose another date") from error
    title = (sites[site].title or site) if site else "All sites"
    return HTMLResponse(digest_html(title, digest))
