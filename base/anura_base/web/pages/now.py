"""The front page: what comes in, while it comes in."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.requests import Request
from starlette.responses import HTMLResponse

from anura_base.web.auth import Viewer
from anura_base.web.layout import Frame
from anura_base.web.recent_activity import read_now

LOOK_EVERY_S = 0.5
"""How often a stream looks for news: many commits in a burst become one update."""

LOOKS_PER_UPDATE = 60
"""Without news the page is sent again every 30 s: both ends find out that the other is gone, and what has become stale
is shown as such."""


class Worker(Protocol):
    """What the page asks of the ingest worker."""

    commits: int


def routes(frame: Frame, worker: Worker, stop: threading.Event) -> APIRouter:
    """Return the page and the stream that keeps it fresh until `stop` is set."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    def page(request: Request, viewer: Viewer) -> str:  # noqa: ARG001
        return render(request, "page.html")

    def render(request: Request, template: str) -> str:
        with frame.engine.connect() as connection:
            sites = frame.sites(connection)
            return frame.text(request, template, sites=sites, now=read_now(connection, sites))

    async def updates(request: Request) -> AsyncIterator[str]:
        shown, looks = -1, 0
        while not stop.is_set():
            if worker.commits != shown or looks % LOOKS_PER_UPDATE == 0:
                shown = worker.commits
                # As JSON it is one line whatever a name contains, so a payload cannot speak the stream's language.
                text = await asyncio.to_thread(render, request, "live.html")
                yield f"event: live\ndata: {json.dumps(text)}\n\n"
            looks += 1
            await asyncio.sleep(LOOK_EVERY_S)

    @router.get("/stream")
    async def stream(request: Request, viewer: Viewer) -> StreamingResponse:  # noqa: ARG001
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(updates(request), media_type="text/event-stream", headers=headers)

    return router
