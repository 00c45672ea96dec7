"""The layout that all pages share: navigation, visitor and logout."""

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.access.roles import Role
from anura_base.web.auth.visitor import csrf_token, logout_token, request_auth
from anura_base.web.station import read_station
from anura_base.web.templating import path_of, render

NAVIGATION = (
    ("", "Now"),
    ("calls", "Calls"),
    ("network", "Network"),
    ("map", "Map"),
    ("species", "Species"),
    ("charts", "Charts"),
    ("night", "Night"),
    ("anomalies", "Anomalies"),
    ("review", "Review"),
    ("clocks", "Clocks"),
    ("explore", "Explore"),
    ("alerts", "Alerts"),
    ("refused", "Refused messages"),
)
"""Path and title of each page."""

ADMIN_NAVIGATION = (("settings", "Settings"), ("users", "Users"), ("audit", "Audit log"))


def page(request: Request, template: str, **values: object) -> HTMLResponse:
    """Return a page with the layout."""
    return HTMLResponse(render_with_layout(request, template, **values))


def render_with_layout(request: Request, template: str, **values: object) -> str:
    """Render a template with the values that the layout needs."""
    state = request.app.state
    current = path_of(request).strip("/").split("/")[0]
    visitor = request_auth(request).principal
    is_admin = visitor is not None and visitor.role.allows(Role.ADMIN)
    layout: dict[str, Any] = {
        "current": current,
        "navigation": NAVIGATION + (ADMIN_NAVIGATION if is_admin else ()),
        "csrf_token": csrf_token(request),
        "logout_token": logout_token(request),
        "visitor": visitor,
        "station": read_station(state.engine, state.broker, state.ingest),
    }
    return render(request, template, **layout, **values)
