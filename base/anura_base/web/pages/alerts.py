"""The page Alerts: rules and their alerts."""

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from anura_base.alerts import history
from anura_base.config.alerts import AlertSettings
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import page
from anura_base.web.state import Database, from_state

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/alerts", response_class=HTMLResponse)
def alerts_page(
    request: Request, engine: Database, alerts: Annotated[AlertSettings, from_state("alerts")]
) -> HTMLResponse:
    """Show the rules and the latest alerts."""
    with engine.connect() as connection:
        latest = history.latest(connection)
    return page(request, "alerts.html", alerts=latest, rules=history.rule_views(alerts, latest))
