"""The page of alerts, and the same for programs."""

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from anura_base.alerts import history
from anura_base.alerts.history import AlertView
from anura_base.config.alerts import AlertSettings
from anura_base.web.api import After, Limit, link_next
from anura_base.web.auth import Viewer
from anura_base.web.layout import Frame


def alert_routes(frame: Frame, alerts: AlertSettings) -> APIRouter:
    """Return the routes that show alerts."""
    router = APIRouter()

    @router.get("/alerts", response_class=HTMLResponse)
    def show(_viewer: Viewer, request: Request) -> HTMLResponse:
        with frame.engine.connect() as connection:
            shown = history.latest(connection)
        return frame.page(request, "alerts.html", alerts=shown, rules=history.rule_views(alerts, shown))

    @router.get("/api/alerts", tags=["alerts"])
    def read_alerts(
        _viewer: Viewer, request: Request, response: Response, limit: Limit = 100, after: After = 0
    ) -> list[AlertView]:
        """Return alerts, in the order in which they fired."""
        with frame.engine.connect() as connection:
            views = history.alerts_after(connection, after, limit)
        if len(views) == limit:
            link_next(request, response, views[-1].arrival)
        return views

    return router
