"""The page Clocks: recordings whose time is unknown. An admin sets the offset of a recorder, or a start."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.analysis.set_clock import parse_offset, parse_start, set_offset, set_start
from anura_base.analysis.unknown_clocks import MAX_RECORDINGS, latest_corrections, unknown_clocks
from anura_base.web.auth.visitor import NEEDS_VIEWER, Admin, Viewer
from anura_base.web.changes import apply_change
from anura_base.web.layout import page
from anura_base.web.state import Database
from anura_base.web.templating import root_of

MAX_CORRECTIONS = 50

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/clocks", response_class=HTMLResponse)
def clocks_page(
    request: Request, viewer: Viewer, engine: Database, site: Annotated[str, Query(max_length=64)] = ""
) -> HTMLResponse:
    """Show the recordings whose clock is unknown, of a site or of all, and the last corrections."""
    with engine.connect() as connection:
        recordings = unknown_clocks(connection, MAX_RECORDINGS + 1, site or None)
        corrections = latest_corrections(connection, MAX_CORRECTIONS)
    values = {
        "recordings": recordings[:MAX_RECORDINGS],
        "more": len(recordings) > MAX_RECORDINGS,
        "devices": sorted({(each.site, each.device) for each in recordings}),
        "corrections": corrections,
        "may_correct": viewer.role.allows(Role.ADMIN),
        "site": site,
    }
    return page(request, "clocks.html", **values)


@router.post("/clocks/{site}/{device}")
def correct(
    request: Request,
    admin: Admin,
    engine: Database,
    site: str,
    device: str,
    offset: Annotated[str, Form(max_length=10)] = "",
    recording: Annotated[str, Form(max_length=600)] = "",
    start: Annotated[str, Form(max_length=40)] = "",
) -> RedirectResponse:
    """Set the UTC offset of recordings of a device, or the start of one recording."""
    what = f"the start of {recording} to {start}" if start else f"the offset of {recording or 'all'} to {offset}"

    def change(connection: Connection) -> None:
        if start:
            set_start(connection, site, device, recording, parse_start(start), admin.name)
        else:
            set_offset(connection, site, device, recording or None, parse_offset(offset), admin.name)

    apply_change(engine, admin, f"set {what} at {site}/{device}", change, refused_status=422)
    return RedirectResponse(f"{root_of(request)}/clocks", 303)
