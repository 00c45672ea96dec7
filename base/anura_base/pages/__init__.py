"""The pages: what the nights said, on a screen."""

import threading
from collections.abc import Mapping

from fastapi import APIRouter
from sqlalchemy import Engine

from anura_base.config import Site
from anura_base.pages import anomalies, network, night, now, review, species
from anura_base.pages.frame import Frame


def page_routes(engine: Engine, known: Mapping[str, Site], worker: now.Worker, stop: threading.Event) -> APIRouter:
    """Return the routes of every page; `known` are the sites of the settings. Streams end when `stop` is set."""
    frame = Frame(engine, known)
    router = APIRouter()
    router.include_router(now.routes(frame, worker, stop))
    for page in (species, night, network, anomalies, review):
        router.include_router(page.routes(frame))
    return router
