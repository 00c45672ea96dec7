"""The application: pages, JSON API, metrics, and the guard in front of them."""

import threading
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from types import MappingProxyType
from typing import Protocol

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from anura_base.config.alerts import AlertSettings
from anura_base.config.settings import ExploreSettings, Site
from anura_base.db.engine import check_writable
from anura_base.web.alert_routes import alert_routes
from anura_base.web.api import api_routes, describe
from anura_base.web.auth import Guard
from anura_base.web.clip_routes import clip_routes
from anura_base.web.export_routes import export_routes
from anura_base.web.invitation_routes import invitation_routes
from anura_base.web.layout import Frame
from anura_base.web.login_routes import login_routes
from anura_base.web.metrics import metrics_routes
from anura_base.web.pages import explore as explore_page
from anura_base.web.pages import page_routes
from anura_base.web.problems import answer_problems
from anura_edge.explore.page import STATIC, WAVESURFER_STYLE

SECURITY_HEADERS = [
    (
        "Content-Security-Policy",
        f"default-src 'self'; style-src 'self' {WAVESURFER_STYLE}; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    # Not no-referrer: with it a browser hides the origin of a form, by which we know that it is ours.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
"""For every answer. What devices send is escaped; should that ever fail, the browser still runs nothing of it."""

NO_ALERTS = AlertSettings()
DEFAULT_EXPLORE = ExploreSettings()


class Worker(Protocol):
    """What the page asks of the ingest worker."""

    commits: int
    healthy: bool


class Subscriber(Protocol):
    """What the page asks of the connection to the broker."""

    @property
    def connected(self) -> bool:
        """Whether messages can come."""


def create_app(
    engine: Engine,
    worker: Worker,
    subscriber: Subscriber,
    stop: threading.Event,
    *,
    login_always: bool = False,
    alerts: AlertSettings = NO_ALERTS,
    sites: Mapping[str, Site] = MappingProxyType({}),
    explore: ExploreSettings = DEFAULT_EXPLORE,
) -> FastAPI:
    """Build the application. Its streams end when `stop` is set.

    With `login_always` nobody is let in without a login; else that begins with the first user.
    """
    # FastAPI's own pages of documentation load scripts from the internet.
    app = FastAPI(
        title="anura-base",
        summary="What the recorders heard",
        version=version("anura-edge"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.add_middleware(Guard, engine=engine, login_always=login_always)
    answer_problems(app)
    describe(app)
    app.include_router(login_routes(engine))
    app.include_router(invitation_routes(engine))
    app.include_router(api_routes(engine))
    app.include_router(clip_routes(engine))
    frame = Frame(engine, sites)
    app.include_router(page_routes(frame, worker, stop))
    app.include_router(alert_routes(frame, alerts))
    app.include_router(explore_page.routes(frame, explore))
    app.include_router(export_routes(frame))
    app.include_router(metrics_routes(engine, subscriber))
    app.mount("/static/explore", StaticFiles(directory=STATIC))
    app.mount("/static", StaticFiles(directory=str(files("anura_base.web") / "static")))

    @app.get("/healthz")
    def health() -> Response:
        state = {"subscriber": subscriber.connected, "database": worker.healthy and _writable(engine)}
        return JSONResponse(state, status_code=200 if all(state.values()) else 503)

    return app


def _writable(engine: Engine) -> bool:
    try:
        check_writable(engine)
    except SQLAlchemyError:
        return False
    return True
