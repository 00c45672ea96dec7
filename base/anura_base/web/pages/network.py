"""The page Network: every device."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.analysis.network_status import device_statuses
from anura_base.analysis.network_view import Show, Sort, arrange, group_by_site
from anura_base.config.settings import Site
from anura_base.db.incidents import latest_incidents
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import page
from anura_base.web.state import ConfiguredSites, Database, from_state, sorted_sites
from anura_base.web.templating import render, root_of

INCIDENTS_SHOWN = timedelta(days=30)
"""For how long an incident is shown after it was last noticed."""

SHARED_S = 14.0
"""An open page asks again every 15 s. So it gets other numbers each time, however many viewers there are."""

MAX_SHARED = 8
"""Answers that are kept. Each may have 200 kB."""

HTMX_REQUEST = "HX-Request"
HTMX_HISTORY = "HX-History-Restore-Request"
"""Of a request that replaces the whole page."""

router = APIRouter(dependencies=[NEEDS_VIEWER])


@dataclass(frozen=True, slots=True)
class NetworkFilters:
    """Filters in the address of the page."""

    show: Show = Show.IN_USE
    sort: Sort = Sort.PROBLEMS
    search: Annotated[str, Query(max_length=64)] = ""
    group: bool = False


@dataclass(slots=True)
class PollAnswers:
    """The answers to open pages that ask for the devices again. All viewers with the same filters share one."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _made: dict[tuple[str, NetworkFilters], tuple[float, str]] = field(default_factory=dict)

    def get(self, key: tuple[str, NetworkFilters], make: Callable[[], str]) -> str:
        """Return the answer for a path prefix and filters, at most SHARED_S old."""
        with self._lock:
            made_s, html = self._made.get(key, (-SHARED_S, ""))
            if time.monotonic() - made_s >= SHARED_S:
                html = make()
                latest = list(self._made.items())[-MAX_SHARED:]
                self._made = {**dict(latest), key: (time.monotonic(), html)}
            return html


@router.get("/network", response_class=HTMLResponse)
def network_page(
    request: Request,
    engine: Database,
    configured_sites: ConfiguredSites,
    polls: Annotated[PollAnswers, from_state("network_polls")],
    filters: Annotated[NetworkFilters, Depends()],
) -> HTMLResponse:
    """Show all devices. htmx asks again for the devices only."""

    def read() -> dict[str, Any]:
        with engine.connect() as connection:
            return _read(connection, sorted_sites(connection, configured_sites), filters)

    query = f"?{request.url.query}" if request.url.query else ""
    if HTMX_REQUEST in request.headers and HTMX_HISTORY not in request.headers:
        key = root_of(request), filters
        return HTMLResponse(polls.get(key, lambda: render(request, "network_devices.html", query=query, **read())))
    with engine.connect() as connection:
        incidents = latest_incidents(connection, datetime.now(UTC) - INCIDENTS_SHOWN)
    return page(
        request, "network.html", query=query, incidents=incidents, shows=[*Show], sorts=[*Sort], **read(),
    )  # fmt: skip


def _read(connection: Connection, sites: Mapping[str, Site], filters: NetworkFilters) -> dict[str, Any]:
    devices = device_statuses(connection, sites)
    shown = arrange(devices, filters.show, filters.sort, filters.search)
    return {
        "devices": shown,
        "groups": group_by_site(shown),
        "in_use": sum(not device.retired for device in devices),
        "online": sum(device.state == "online" and not device.retired for device in devices),
        "with_problems": sum(device.needs_attention for device in devices),
        "filters": filters,
        "sites": sites,
    }
