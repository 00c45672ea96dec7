"""The state of the base station, which every page loads again at intervals."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import page

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/station", response_class=HTMLResponse)
def station_state(request: Request) -> HTMLResponse:
    """Show the state of the base station, without a page around it."""
    return page(request, "station.html")
