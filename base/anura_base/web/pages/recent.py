"""The front page: the latest calls and clips. A stream updates it with what differs."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.filters import page_zone
from anura_base.web.layout import page
from anura_base.web.live_feed import MAX_AGE_S, NOTHING, LiveFeed, difference
from anura_base.web.state import ConfiguredSites, Database, from_state, sorted_sites

POLL_EVERY_S = 0.5
"""A stream checks for new rows at this interval. Many commits in one interval become one update."""

POLLS_PER_UPDATE = int(MAX_AGE_S / POLL_EVERY_S)
"""Without new rows an update is sent every 30 s. So a lost connection is noticed, and times on the page are current."""

Feed = Annotated[LiveFeed, from_state("live_feed")]

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/", response_class=HTMLResponse)
def recent_page(request: Request, engine: Database, configured_sites: ConfiguredSites, feed: Feed) -> HTMLResponse:
    """Show the latest calls and clips."""
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
    return page(request, "recent.html", pieces=feed.pieces(request), sites=sites, zone=page_zone(sites))


@router.get("/stream")
async def stream(
    request: Request, feed: Feed, stop: Annotated[threading.Event, from_state("stop")]
) -> StreamingResponse:
    """Send updates of the front page as server-sent events until the server stops. The first one has all parts."""

    async def updates() -> AsyncIterator[str]:
        state, shown, polls = None, NOTHING, 0
        while not stop.is_set():
            now = feed.state()
            if now != state or polls % POLLS_PER_UPDATE == 0:
                state = now
                new = await asyncio.to_thread(feed.pieces, request)
                # JSON has no line breaks, so text from a device cannot end the event.
                yield f"event: live\ndata: {json.dumps(difference(shown, new))}\n\n"
                shown = new
            polls += 1
            await asyncio.sleep(POLL_EVERY_S)

    return StreamingResponse(updates(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
