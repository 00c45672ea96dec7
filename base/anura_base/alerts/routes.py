"""The page of alerts, and the same for programs."""

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Engine
from starlette.responses import HTMLResponse

from anura_base.access.guard import Viewer, logout_token
from anura_base.alerts import history
from anura_base.alerts.history import AlertView
from anura_base.alerts.rules import Alerts
from anura_base.api import After, Limit, link_next


def alert_routes(engine: Engine, alerts: Alerts) -> APIRouter:
    """Return the routes that show alerts."""
    router = APIRouter()
    templates = Environment(loader=PackageLoader("anura_base"), autoescape=True, undefined=StrictUndefined)

    @router.get("/alerts", response_class=HTMLResponse)
    def show(viewer: Viewer, request: Request) -> str:
        with engine.connect() as connection:
            shown = history.latest(connection)
        rules = history.rule_views(alerts, shown)
        base = request.scope.get("root_path", "")
        return templates.get_template("alerts.html").render(
            alerts=shown, rules=rules, base=base, viewer=viewer, csrf_token=logout_token(request)
        )

    @router.get("/api/alerts", tags=["alerts"])
    def read_alerts(
        _viewer: Viewer, request: Request, response: Response, limit: Limit = 100, after: After = 0
    ) -> list[AlertView]:
        """Return alerts, in the order in which they fired."""
        with engine.connect() as connection:
            views = history.alerts_after(connection, after, limit)
        if len(views) == limit:
            link_next(request, response, views[-1].arrival)
        return views

    return router
