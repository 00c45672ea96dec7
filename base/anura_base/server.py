"""The base station: one process with a subscriber, an ingest worker, a web server and some periodic jobs."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any

import uvicorn
from sqlalchemy import Engine
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from anura_base.access.accounts import has_users
from anura_base.alerts.channels import Channel, open_channels
from anura_base.alerts.delivery import AlertDelivery
from anura_base.alerts.evaluator import AlertEvaluator
from anura_base.analysis import rollup
from anura_base.analysis.map_outline import read_outline
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.clips.request_loop import ClipRequester
from anura_base.config.settings import MqttSettings, Settings, WebSettings
from anura_base.db.engine import base_id, open_database
from anura_base.db.file_watch import DatabaseFileWatch
from anura_base.db.limits import limit_stored_values
from anura_base.digests.schedule import DigestSchedule
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.link import Link
from anura_base.ingest.subscriber import DEFAULT_CLIENT_ID, Subscriber
from anura_base.ingest.worker import IngestWorker
from anura_base.integrations.home_assistant import HomeAssistant
from anura_base.updates.order_loop import OrderSender
from anura_base.web.app import SECURITY_HEADERS, create_app
from anura_base.web.limits.connections import (
    BACKLOG,
    LimitedConnection,
    allowed_connections,
    raise_descriptor_limit,
)
from anura_base.web.proxy import ProxyPrefix
from anura_edge.errors import ConfigError

log = logging.getLogger(__name__)

RESTART_S = 10.0
"""Pause before a loop that has failed begins again."""

_Loop = Callable[[threading.Event], None]
"""Works until the event is set."""


Connect = Callable[[Settings, Engine, IngestQueue], Link]
"""Makes the link. Its messages go into the queue."""


def connect_to_broker(settings: Settings, engine: Engine, queue: IngestQueue) -> Link:
    """Return the connection to the MQTT broker of the settings."""
    return Subscriber(_with_client_id(settings.mqtt, engine), queue)


def run(
    settings: Settings,
    ready: Callable[[str], None],
    connect: Connect = connect_to_broker,
    *,
    requests_clips: bool = False,
) -> None:
    """Run the base station until SIGINT or SIGTERM.

    `ready` is called once with the address of the pages. With `requests_clips` the page Review requests the clips that
    it shows. Raises AnuraError when the base station cannot start.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = open_database(settings.database_url())
    limit_stored_values(engine)
    install_triggers(engine)
    try:
        with _listen(settings.web) as listener:
            _check_login(settings.web, listener, engine)
            queue = IngestQueue()
            link = connect(settings, engine, queue)
            worker = IngestWorker(engine, queue, link.publish, settings.retention, settings.clips)
            channels = open_channels(settings.alerts, link.publish_and_wait)
            progress = rollup.RollupProgress()
            app = create_app(
                engine,
                worker,
                link,
                stop,
                require_login=_needs_login(settings.web, listener),
                alerts=settings.alerts,
                channels=channels,
                sites=settings.sites,
                retention=settings.retention,
                explore_settings=settings.explore,
                outline=read_outline(settings.map.outline_file),
                requests_clips=requests_clips,
                rollup=progress,
            )
            loops: list[_Loop] = [
                worker.run,
                partial(rollup.run, engine, settings.sites, progress),
                ClipRequester(engine, link).run,
                OrderSender(engine, link).run,
                AlertEvaluator(engine, settings.alerts, settings.sites).run,
                AlertDelivery(engine, channels).run,
                *_optional_loops(settings, engine, link, channels),
            ]
            server = _server(app, settings.web)
            _run(engine, loops, server, listener, link, stop, lambda: ready(_address(settings.web, listener)))
    finally:
        engine.dispose()


def _run(
    engine: Engine,
    loops: Sequence[_Loop],
    server: uvicorn.Server,
    listener: socket.socket,
    link: Link,
    stop: threading.Event,
    ready: Callable[[], None],
) -> None:
    with ThreadPoolExecutor(max_workers=2 + len(loops)) as pool:
        parts = [pool.submit(server.run, [listener]), pool.submit(DatabaseFileWatch(engine).run, stop)]
        parts += [pool.submit(keep_running, loop, stop) for loop in loops]
        for part in parts:  # when the web server fails, or the database is gone, the process ends with its error
            part.add_done_callback(lambda _: stop.set())
        link.start()
        ready()
        stop.wait()
        server.should_exit = True
    link.stop()  # after the worker, so that its last acknowledgements are sent
    for part in parts:
        part.result()


def _with_client_id(mqtt: MqttSettings, engine: Engine) -> MqttSettings:
    """Return the settings with a session name of this database, unless they have one."""
    with engine.connect() as connection:
        own = f"{DEFAULT_CLIENT_ID}-{base_id(connection).hex[:8]}"
    return mqtt.model_copy(update={"client_id": mqtt.client_id or own})


def keep_running(loop: _Loop, stop: threading.Event) -> None:
    """Run a loop until `stop` is set. If it fails, it begins again: no error of one loop may end the others."""
    while not stop.is_set():
        try:
            loop(stop)
        except Exception:  # any error: the other parts go on, and this one gets another chance
            log.exception("a part of the base station has failed; it begins again in %.0f s", RESTART_S)
            stop.wait(RESTART_S)


def _optional_loops(settings: Settings, engine: Engine, link: Link, channels: Mapping[str, Channel]) -> list[_Loop]:
    """Return the loops for digests and Home Assistant, if the settings turn them on."""
    loops: list[_Loop] = []
    if settings.digests:
        names = settings.alerts.channels()
        loops.append(DigestSchedule(engine, settings.digests, names, channels, settings.sites).run)
    if settings.home_assistant.enabled:
        loops.append(HomeAssistant(engine, settings.home_assistant.discovery_prefix, link).run)
    return loops


def _needs_login(web: WebSettings, listener: socket.socket) -> bool:
    """Return whether other machines can connect."""
    return bool(web.trusted_proxies) or not ip_address(listener.getsockname()[0]).is_loopback


def _check_login(web: WebSettings, listener: socket.socket, engine: Engine) -> None:
    """Raise ConfigError if other machines can connect but there is no user who can log in."""
    if not _needs_login(web, listener):
        return
    with engine.connect() as connection:
        if not has_users(connection):
            raise ConfigError(
                "web: other machines can connect, but there is no user who can log in; add one with"
                " `anura-base user add NAME --role admin`, or listen on 127.0.0.1 without trusted_proxies"
            )
    if web.tls_cert_file is None and not web.trusted_proxies:
        log.warning("web: passwords cross the network unencrypted; set web.tls_cert_file and web.tls_key_file")


def _server(app: ASGIApp, web: WebSettings) -> uvicorn.Server:
    LimitedConnection.max_connections = allowed_connections(raise_descriptor_limit())
    # X-Forwarded headers are trusted from these proxies only. The prefix comes first, while the proxy is the client.
    behind_proxy: Any = ProxyHeadersMiddleware(app, list(web.trusted_proxies)) if web.trusted_proxies else app  # type: ignore[arg-type]
    config = uvicorn.Config(
        ProxyPrefix(behind_proxy, web.path_prefix, web.trusted_proxies),
        http=LimitedConnection,
        backlog=BACKLOG,
        headers=SECURITY_HEADERS,
        proxy_headers=False,
        ssl_certfile=web.tls_cert_file,
        ssl_keyfile=web.tls_key_file,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="error",  # a line for each invalid request would let strangers fill the disk
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    try:
        config.load()  # here, because the server would end the process on an error
    except (OSError, ValueError) as error:
        raise ConfigError(f"web: cannot use {web.tls_cert_file} with {web.tls_key_file}: {error}") from error
    return uvicorn.Server(config)


def _listen(web: WebSettings) -> socket.socket:
    try:
        family = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((web.host, web.port), family=family)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise ConfigError(
            f"web: cannot listen on {web.host}:{web.port}: {reason}; choose another with --web HOST:PORT"
        ) from error


def _address(web: WebSettings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "http" if web.tls_cert_file is None else "https"
    return f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
