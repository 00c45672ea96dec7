"""One site's night on a line of time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.night_timeline import INDEX_S, Interval, NightTimeline, merge_intervals, read_timeline
from anura_base.analysis.nights import Night, night
from anura_base.config.settings import Site
from anura_base.web.auth import Viewer
from anura_base.web.filters import as_date, last_night, latest_night
from anura_base.web.layout import Frame
from anura_edge.events import EffortState

MARKS = 1_200
"""About the pixels of a screen: what lies closer together is one mark."""

STATES = tuple(EffortState)


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a time lies between the left edge and the right one."""

    begin: float
    end: float
    zone: str

    def at(self, moment: float | datetime) -> str:
        """Return the place of a moment, in percent."""
        seconds = moment.timestamp() if isinstance(moment, datetime) else moment
        return f"{100 * (seconds - self.begin) / (self.end - self.begin):.3f}%"

    def width(self, span: Interval) -> str:
        """Return the width of an interval, in percent, never less than can be seen."""
        return f"{100 * max((span[1] - span[0]) / (self.end - self.begin), 1 / MARKS):.3f}%"

    def clock(self, seconds: float, form: str = "%H:%M") -> str:
        """Write a moment as a clock at the site shows it."""
        return datetime.fromtimestamp(seconds, ZoneInfo(self.zone)).strftime(form)

    def marks(self, spans: Sequence[Interval]) -> list[Interval]:
        """Join what a screen cannot show apart."""
        return merge_intervals(spans, (self.end - self.begin) / MARKS)

    @property
    def hours(self) -> list[tuple[float, str]]:
        """Return the moments that have a line, with what a clock at the site shows then."""
        every = 3_600 if self.end - self.begin <= 16 * 3_600 else 7_200
        first = -(-int(self.begin) // every) * every
        moments = (float(moment) for moment in range(first, int(self.end), every))
        return [(moment, self.clock(moment)) for moment in moments if self.begin < moment < self.end]


def routes(frame: Frame) -> APIRouter:
    """Return the page."""
    router = APIRouter()

    @router.get("/night", response_class=HTMLResponse)
    def page(
        request: Request,
        viewer: Viewer,  # noqa: ARG001
        site: Annotated[str, Query(max_length=64)] = "",
        evening: Annotated[str, Query(max_length=20)] = "",
    ) -> HTMLResponse:
        asked = as_date("evening", evening)
        with frame.engine.connect() as connection:
            sites = frame.sites(connection)
            if not sites:
                return frame.page(request, "night.html", sites=sites, view=None)
            name = site or next(iter(sites))
            if name not in sites:
                raise HTTPException(404, f"there is no site {name}; there are: {', '.join(sites)}")
            day = asked or last_night(connection, name, sites[name]) or latest_night(connection, sites)
            found = _night(sites[name], day)
            view = read_timeline(connection, name, found)
        values = {
            "name": name,
            "site": sites[name],
            "night": found,
            "axis": Axis(view.begin, view.end, sites[name].zone),
            "index_s": INDEX_S,
            "states": _states(view),
            "before": day - timedelta(days=1),
            "after": day + timedelta(days=1),
        }
        return frame.page(request, "night.html", sites=sites, view=view, **values)

    return router


def _night(site: Site, day: date) -> Night:
    try:
        return night(site, day)
    except OverflowError as error:
        raise HTTPException(422, f"evening: no calendar has a night of {day}") from error


def _states(view: NightTimeline) -> Mapping[str, float]:
    """Return the hours in each state, over all devices."""
    return {
        state: sum(b - a for device in view.effort.values() for a, b in device.get(state, ())) / 3_600
        for state in STATES
        if any(state in device for device in view.effort.values())
    }
