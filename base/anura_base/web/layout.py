"""What every page has: the navigation, and who looks at it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.access.roles import Role
from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.web.auth import csrf_token, logout_token, visit
from anura_base.web.templating import render, root_of

NAVIGATION = (
    ("", "Now"),
    ("network", "Network"),
    ("species", "Species"),
    ("night", "Night"),
    ("anomalies", "Anomalies"),
    ("review", "Review"),
    ("explore", "Explore"),
    ("alerts", "Alerts"),
)
"""Path and name of each page, in the order in which one reads a network."""

FOR_ADMINS = (("users", "Users"),)


class Frame:
    """Renders pages from the database."""

    def __init__(self, engine: Engine, known: Mapping[str, Site]) -> None:
        self.engine = engine
        self.known = known

    def sites(self, connection: Connection) -> dict[str, Site]:
        """Return every site, by name."""
        return dict(sorted(all_sites(connection, self.known).items()))

    def page(self, request: Request, template: str, **values: object) -> HTMLResponse:
        """Render a page for a visitor."""
        return HTMLResponse(self.text(request, template, **values))

    def text(self, request: Request, template: str, **values: object) -> str:
        """Render a template for a visitor."""
        here = request.url.path.removeprefix(root_of(request)).strip("/").split("/")[0]
        visitor = visit(request).principal
        admin = visitor is not None and visitor.role.allows(Role.ADMIN)
        frame: dict[str, Any] = {
            "here": here,
            "navigation": NAVIGATION + (FOR_ADMINS if admin else ()),
            "csrf_token": csrf_token(request),
            "logout_token": logout_token(request),
            "visitor": visitor,
        }
        return render(request, template, **frame, **values)
