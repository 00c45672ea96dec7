"""Alerts as JSON."""

from fastapi import APIRouter, Request, Response

from anura_base.alerts import history
from anura_base.alerts.history import AlertView
from anura_base.web.api.paging import After, Limit, link_next
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.state import Database

router = APIRouter(prefix="/api", tags=["alerts"], dependencies=[NEEDS_VIEWER])


@router.get("/alerts")
def read_alerts(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[AlertView]:
    """Return alerts in the order in which they fired."""
    with engine.connect() as connection:
        views = history.alerts_after(connection, after, limit)
    if len(views) == limit:
        link_next(request, response, views[-1].arrival)
    return views
