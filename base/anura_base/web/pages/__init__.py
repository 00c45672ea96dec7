"""The pages: what the nights said, on a screen."""

import threading

from fastapi import APIRouter

from anura_base.web.layout import Frame
from anura_base.web.pages import anomalies, network, night, now, review, species, users


def page_routes(frame: Frame, worker: now.Worker, stop: threading.Event) -> APIRouter:
    """Return the routes of every page. Streams end when `stop` is set."""
    router = APIRouter()
    router.include_router(now.routes(frame, worker, stop))
    for page in (species, night, network, anomalies, review, users):
        router.include_router(page.routes(frame))
    return router
