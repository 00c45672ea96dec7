"""The front page: the latest calls and clips. A stream updates it with new rows and with the state of the station."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.config.settings import Site
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.layout import render_with_layout
from anura_base.web.recent_activity import read_recent_activity
from anura_base.web.state import BrokerStatus, ConfiguredSites, Database, IngestStatus, from_state, sorted_sites

POLL_EVERY_S = 0.5
"""A stream checks for new rows at this interval. Many commits in one interval become one update."""

POLLS_PER_UPDATE = 60
"""Without new rows an update is sent every 30 s. So a lost connection is noticed, and times on the page are current."""

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/", response_class=HTMLResponse)
def recent_page(request: Request, engine: Database, configured_sites: ConfiguredSites) -> str:
    """Show the latest calls and clips."""
    return _render(request, engine, configured_sites, "recent.html")


@router.get("/stream")
async def stream(
    request: Request,
    engine: Database,
    configured_sites: ConfiguredSites,
    ingest: Annotated[IngestStatus, from_state("ingest")],
    broker: Annotated[BrokerStatus, from_state("broker")],
    stop: Annotated[threading.Event, from_state("stop")],
) -> StreamingResponse:
    """Send updates of the front page as server-sent events until the server stops."""

    async def updates() -> AsyncIterator[str]:
        shown, polls = None, 0
        while not stop.is_set():
            now = ingest.commits, broker.connected, ingest.healthy
            if now != shown or polls % POLLS_PER_UPDATE == 0:
                shown = now
                html = await asyncio.to_thread(_render, request, engine, configured_sites, "live.html")
                # JSON has no line breaks, so text from a device cannot end the event.
                yield f"event: live\ndata: {json.dumps(html)}\n\n"
            polls += 1
            await asyncio.sleep(POLL_EVERY_S)

    return StreamingResponse(updates(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _render(request: Request, engine: Engine, configured_sites: Mapping[str, Site], template: str) -> str:
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
        activity = read_recent_activity(connection, sites)
    return render_with_layout(request, template, sites=sites, activity=activity)
