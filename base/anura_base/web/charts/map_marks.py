"""The marks of the sites on the map, as SVG. A template takes three times as long for a thousand sites."""

from collections.abc import Mapping
from urllib.parse import quote

from markupsafe import Markup

from anura_base.analysis.site_map import MapPoint, SiteMap

MAX_NAMED = 40
"""With more sites on the map their names would cover each other."""

_STATES = {"ok": "all devices work", "attention": "a device needs attention"}


_MARK = Markup(
    '<a href="{root}/network/{path}"><g class="place {state}"><title>{title}: {text}</title>{shape}{name}</g></a>'
)
_CIRCLE = Markup('<circle cx="{x}" cy="{y}" r="8"/>')
_TRIANGLE = Markup('<path d="M{x} {y}l10 17h-20z"/>')
_NAME = Markup('<text x="{x}" y="{y}" text-anchor="{anchor}">{title}</text>')


def map_marks(sites: SiteMap, states: Mapping[str, str], root: str) -> Markup:
    """Return a link with a mark for each site. `states` has `ok` or `attention` for each site with a device."""
    with_names = len(sites.points) <= MAX_NAMED
    marks = (_mark(each, states.get(each.name, "no-device"), root, with_name=with_names) for each in sites.points)
    return Markup("\n").join(marks)


def _mark(point: MapPoint, state: str, root: str, *, with_name: bool) -> Markup:
    shape = _CIRCLE.format(x=point.x, y=point.y)
    if state == "attention":
        shape = _TRIANGLE.format(x=point.x, y=round(point.y - 10, 1))
    name = ""
    if with_name:
        x, anchor = (point.x + 14, "start") if point.right else (point.x - 14, "end")
        name = _NAME.format(x=round(x, 1), y=round(point.y + 5, 1), anchor=anchor, title=point.title)
    path, text = quote(point.name, safe=""), _STATES.get(state, "no device yet")
    return _MARK.format(root=root, path=path, state=state, title=point.title, text=text, shape=shape, name=name)
