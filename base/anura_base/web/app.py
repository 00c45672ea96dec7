"""The application: it puts together state, authentication, pages and API."""

import threading
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from types import MappingProxyType

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine

from anura_base.alerts.channels import Channel
from anura_base.analysis.map_outline import Lines
from anura_base.analysis.rollup import RollupProgress
from anura_base.config.alerts import AlertSettings
from anura_base.config.settings import ExploreSettings, RetentionSettings, Site
from anura_base.web.api import alerts as alerts_api
from anura_base.web.api import clips, exports, health, metrics, rows
from anura_base.web.api.openapi import set_openapi
from anura_base.web.auth import invitation, login
from anura_base.web.auth.middleware import AuthMiddleware
from anura_base.web.limits.bodies import BodyLimits
from anura_base.web.live_feed import LiveFeed
from anura_base.web.pages import (
    account,
    anomalies,
    call,
    calls,
    charts,
    device,
    digest,
    explore,
    network,
    night,
    recent,
    refused,
    review,
    review_progress,
    settings,
    site,
    site_map,
    species,
    station,
    thresholds,
    users,
    welcome,
)
from anura_base.web.pages import alerts as alerts_page
from anura_base.web.pages import clocks as clocks_page
from anura_base.web.pages.review_holds import ReviewHolds
from anura_base.web.parameters import check_parameters
from anura_base.web.problems import add_problem_handlers
from anura_base.web.responses import ResponseRules
from anura_base.web.state import BrokerStatus, IngestStatus, RollupStatus
from anura_edge.explore.page import STATIC, WAVESURFER_STYLE

SECURITY_HEADERS = [
    (
        "Content-Security-Policy",
        f"default-src 'self'; style-src 'self' {WAVESURFER_STYLE}; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    # Not no-referrer: with it a browser hides the origin of a form, and the CSRF check needs the origin.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
"""Headers of every answer. Text from devices is escaped; if that ever fails, the browser still runs no script of it."""

ROUTERS = (
    login.router, invitation.router, health.router,
    rows.router, clips.router, alerts_api.router, exports.router, metrics.router,
    station.router, recent.router, calls.router, call.router, network.router, site_map.router,
    site.router, device.router,
    species.router, charts.router, night.router, digest.router, anomalies.router, review_progress.router,
    thresholds.router, review.router,
    explore.router, alerts_page.router, refused.router, clocks_page.router, users.router, account.router,
    settings.router, welcome.router,
)  # fmt: skip

NO_ALERTS = AlertSettings()
DEFAULT_EXPLORE = ExploreSettings()
DEFAULT_RETENTION = RetentionSettings()
NO_ROLLUP = RollupProgress()


def create_app(
    engine: Engine,
    ingest: IngestStatus,
    broker: BrokerStatus,
    stop: threading.Event,
    *,
    require_login: bool = False,
    alerts: AlertSettings = NO_ALERTS,
    channels: Mapping[str, Channel] = MappingProxyType({}),
    retention: RetentionSettings = DEFAULT_RETENTION,
    sites: Mapping[str, Site] = MappingProxyType({}),
    explore_settings: ExploreSettings = DEFAULT_EXPLORE,
    outline: Lines = (),
    requests_clips: bool = False,
    rollup: RollupStatus = NO_ROLLUP,
) -> FastAPI:
    """Return the application. Its streams end when `stop` is set.

    With `require_login` every request needs a login or a token. Without it, this is so as soon as there is a user. With
    `requests_clips` the page Review requests the clips that it shows.
    """
    # The documentation pages of FastAPI are off, because they load scripts from the internet.
    app = FastAPI(
        title="anura-base",
        summary="Frog calls from acoustic recorders",
        version=version("anura-edge"),
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        dependencies=[Depends(check_parameters)],
    )
    app.state.engine = engine
    app.state.ingest = ingest
    app.state.broker = broker
    app.state.stop = stop
    app.state.requests_clips = requests_clips
    app.state.alerts = alerts
    app.state.channels = channels
    app.state.retention = retention
    app.state.configured_sites = sites
    app.state.outline = outline
    app.state.network_polls = network.PollAnswers()
    app.state.live_feed = LiveFeed(engine, ingest, broker, sites, rollup)
    app.state.login = login.LoginService(engine)
    app.state.explorer = explore.ExplorerLoader(explore_settings)
    app.state.spectrograms = clips.SpectrogramCache()
    app.state.exports = exports.ExportJobs()
    app.state.review_holds = ReviewHolds()
    app.state.metrics = metrics.create_registry(engine, broker)
    # Each is inside the next one.
    app.add_middleware(AuthMiddleware, engine=engine, require_login=require_login)
    app.add_middleware(BodyLimits, uploads=frozenset({explore.UPLOAD_PATH}))
    app.add_middleware(ResponseRules)
    add_problem_handlers(app)
    set_openapi(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static/explore", StaticFiles(directory=STATIC))
    app.mount("/static", StaticFiles(directory=str(files("anura_base.web") / "static")))
    return app
