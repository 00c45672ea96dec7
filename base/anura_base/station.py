"""The base station: one process in which a subscriber, an ingest worker and a web server run together."""

import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from sqlalchemy import Engine

from anura_base.config import Settings, Web
from anura_base.database import open_database
from anura_base.inbox import Inbox
from anura_base.subscriber import Subscriber
from anura_base.web import SECURITY_HEADERS, create_app
from anura_base.worker import IngestWorker
from anura_edge.errors import ConfigError


def run(settings: Settings, ready: Callable[[str], None]) -> None:
    """Receive, store, acknowledge and show until SIGINT or SIGTERM.

    `ready` is called once with a line for people. Raises AnuraError when it cannot start.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = open_database(settings.database_url())
    try:
        with _listen(settings.web) as listener:
            _run(settings, engine, listener, stop, ready)
    finally:
        engine.dispose()


def _run(
    settings: Settings, engine: Engine, listener: socket.socket, stop: threading.Event, ready: Callable[[str], None]
) -> None:
    inbox = Inbox()
    subscriber = Subscriber(settings.mqtt, inbox)
    worker = IngestWorker(engine, inbox, subscriber.publish, settings.retention)
    server = _server(create_app(engine, worker, subscriber, stop))
    with ThreadPoolExecutor(max_workers=2) as pool:
        parts = [pool.submit(worker.run, stop), pool.submit(server.run, [listener])]
        for part in parts:  # should one die, the process ends with its error: half a base station is none
            part.add_done_callback(lambda _: stop.set())
        subscriber.start()
        ready(f"anura-base: {_address(listener)} shows what comes from {settings.mqtt.host}:{settings.mqtt.port}")
        stop.wait()
        server.should_exit = True
    subscriber.stop()  # after the worker, so that its last acknowledgements go out
    for part in parts:
        part.result()


def _server(app: object) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]
            headers=SECURITY_HEADERS,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )


def _listen(web: Web) -> socket.socket:
    try:
        family = socket.getaddrinfo(web.host, web.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((web.host, web.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"web: cannot listen on {web.host}:{web.port}: {error}; choose another with --web HOST:PORT"
        ) from error


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
