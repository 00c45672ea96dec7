"""The changing part of the front page in pieces, so that a stream sends only what differs.

All viewers share the pieces: they are made once after each commit, not once for each viewer.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine
from starlette.requests import Request

from anura_base.config.settings import Site
from anura_base.web.filters import page_zone
from anura_base.web.recent_activity import read_recent_activity
from anura_base.web.state import BrokerStatus, IngestStatus, RollupStatus, sorted_sites
from anura_base.web.station import read_station
from anura_base.web.templating import render, root_of

PIECES = ("problems", "totals", "night", "clips", "backlog")

MAX_AGE_S = 30.0
"""Older pieces are made again, because they contain times and the state of devices."""


@dataclass(frozen=True, slots=True)
class LivePieces:
    """HTML of each part of the front page."""

    parts: Mapping[str, str]
    """By the names in PIECES; empty text for a part that is not shown."""
    rows: Mapping[str, str]
    """The rows of the latest calls by the ids of their elements, in order."""


NOTHING = LivePieces({}, {})


@dataclass(slots=True)
class LiveFeed:
    """Makes the pieces. Threads may share it."""

    engine: Engine
    ingest: IngestStatus
    broker: BrokerStatus
    sites: Mapping[str, Site]
    rollup: RollupStatus
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _made: dict[str, tuple[object, float, LivePieces]] = field(default_factory=dict)

    def state(self) -> object:
        """Return a value that changes when there may be something new."""
        # The counts of the night are sums, which follow the rows of a commit a moment later.
        return self.ingest.commits, self.rollup.changes, self.broker.connected, self.ingest.healthy

    def pieces(self, request: Request) -> LivePieces:
        """Return the present pieces for the address prefix of a request."""
        root = root_of(request)
        with self._lock:
            state, now_s = self.state(), time.monotonic()
            made_of, made_s, pieces = self._made.get(root, (None, 0.0, NOTHING))
            if made_of != state or now_s - made_s >= MAX_AGE_S:
                pieces = self._make(request)
                self._made = {**dict(list(self._made.items())[-8:]), root: (state, now_s, pieces)}
            return pieces

    def _make(self, request: Request) -> LivePieces:
        with self.engine.connect() as connection:
            sites = sorted_sites(connection, self.sites)
            activity = read_recent_activity(connection, sites)
        values: dict[str, Any] = {
            "sites": sites,
            "zone": page_zone(sites),
            "activity": activity,
            "station": read_station(self.engine, self.broker, self.ingest),
        }
        parts = {name: render(request, f"live/{name}.html", **values) for name in PIECES}
        rows = {f"call-{each.id}": render(request, "live/row.html", event=each, **values) for each in activity.latest}
        return LivePieces(parts, rows)


def difference(shown: LivePieces, new: LivePieces) -> dict[str, Any]:
    """Return what a page with `shown` needs to show `new`: changed parts, and the order of the rows with new HTML.

    A row without a change has null instead of its HTML.
    """
    parts = {name: html for name, html in new.parts.items() if shown.parts.get(name) != html}
    rows = [[name, None if shown.rows.get(name) == html else html] for name, html in new.rows.items()]
    same = list(shown.rows.items()) == list(new.rows.items())
    return {"parts": parts, "rows": None if same else rows}
