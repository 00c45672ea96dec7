"""What every page has: the navigation, and how times, numbers and names are written."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import Connection, Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.access.guard import csrf_token, logout_token, visit
from anura_base.config import Site
from anura_base.sites import sites

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


class Frame:
    """Renders pages from the database."""

    def __init__(self, engine: Engine, known: Mapping[str, Site]) -> None:
        self.engine = engine
        self._known = known
        self.templates = Environment(
            loader=PackageLoader("anura_base"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters.update(duration=duration, ago=ago, local=local, number=number)

    def sites(self, connection: Connection) -> dict[str, Site]:
        """Return every site, by name."""
        return dict(sorted(sites(connection, self._known).items()))

    def page(self, request: Request, template: str, **values: object) -> HTMLResponse:
        """Render a page for a visitor."""
        return HTMLResponse(self.text(request, template, **values))

    def text(self, request: Request, template: str, **values: object) -> str:
        """Render a template for a visitor."""
        root = request.scope.get("root_path", "")
        here = request.url.path.removeprefix(root).strip("/").split("/")[0]
        frame: dict[str, Any] = {
            "root": root,
            "here": here,
            "navigation": NAVIGATION,
            "csrf_token": csrf_token(request),
            "logout_token": logout_token(request),
            "visitor": visit(request).principal,
        }
        return self.templates.get_template(template).render(**frame, **values)


def number(value: float, digits: int = 0) -> str:
    """Write a number with separators of thousands: 12,345."""
    return f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """Write a length of time in one unit."""
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:,.0f} d"


def ago(moment: datetime) -> str:
    """Write how long ago a moment was."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def local(moment: datetime, zone: str, form: str = "%Y-%m-%d %H:%M") -> str:
    """Write a moment as a clock at the site shows it."""
    with suppress(OverflowError):  # a device said a time at an end of the calendar
        moment = moment.astimezone(ZoneInfo(zone))
    return moment.strftime(form)
