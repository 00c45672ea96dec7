"""The one Jinja environment of the web server, and its filters for times and numbers."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request


def number(value: float, digits: int = 0) -> str:
    """Format a number with thousands separators, as in 12,345."""
    return f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """Format a duration in one unit."""
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:,.0f} d"


def ago(moment: datetime) -> str:
    """Format the time since a moment."""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def local(moment: datetime, zone: str, form: str = "%Y-%m-%d %H:%M") -> str:
    """Format a moment in the local time of a site."""
    with suppress(OverflowError):  # a device may send a time at an end of the calendar
        moment = moment.astimezone(ZoneInfo(zone))
    return moment.strftime(form)


_templates = Environment(
    loader=PackageLoader("anura_base.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(duration=duration, ago=ago, local=local, number=number)


def root_of(request: Request) -> str:
    """Return the path prefix under which a proxy serves the base station, usually empty."""
    return str(request.scope.get("root_path", ""))


def path_of(request: Request) -> str:
    """Return the path of a request without the prefix of a proxy."""
    return str(request.scope["path"]).removeprefix(root_of(request))


def render(request: Request, template: str, **values: object) -> str:
    """Render a template. Every template has the value `root`."""
    return _templates.get_template(template).render(root=root_of(request), **values)
