"""Strangers who hold connections open stop neither pages nor ingest of a real base station with few descriptors."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from support import DEADLINE_S, eventually

from anura_base.web.limits.connections import allowed_connections

QUICK = """
import resource
from anura_base.web.limits import connections
resource.setrlimit(resource.RLIMIT_NOFILE, (260, 260))
connections.REQUEST_S, connections.UNREAD_S, connections.CHECK_EVERY_S = {request_s}, 0.5, 0.1
from anura_base.cli.main import main
main()
"""


def command(request_s: float = 1e9) -> list[str]:
    return [sys.executable, "-c", QUICK.format(request_s=request_s)]


@pytest.fixture
def connect() -> Iterator[Callable[[str], socket.socket]]:
    """Connect to a base station, and send nothing."""
    with ExitStack() as stack:

        def connect_to(url: str) -> socket.socket:
            address = urlsplit(url)
            return stack.enter_context(socket.create_connection((address.hostname, address.port), DEADLINE_S))

        yield connect_to


def test_silent_sockets_stop_neither_pages_nor_ingest(start_base, device, make, connect) -> None:  # noqa: ANN001
    base = start_base(command())
    eventually(base.connected)
    for _ in range(400):
        connect(base.url)
        if _ % 50 == 0:
            base.status("healthz")
    device.send(make.event(1))
    assert device.ack() == 1
    assert "<html" in base.get("login")
    assert len(base.json("api/events")) == 1


def test_silent_connection_is_closed(start_base, connect) -> None:  # noqa: ANN001
    base = start_base(command(request_s=0.5))
    silent, half = connect(base.url), connect(base.url)
    half.sendall(b"GET /login HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    assert _read(silent) == _read(half) == b""
    assert "<html" in base.get("login")


def test_reader_that_stops_reading_is_disconnected(start_base, connect) -> None:  # noqa: ANN001
    base = start_base(command())
    reader = connect(base.url)
    asked = b"GET /static/explore/vendor/wavesurfer.min.js HTTP/1.1\r\nHost: a\r\n\r\n"
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        _send_for_ever(reader, asked)
    assert "<html" in base.get("login")


def _read(connection: socket.socket) -> bytes:
    """Return the next bytes, b"" if the connection was closed in either way."""
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


def _send_for_ever(connection: socket.socket, request: bytes) -> None:
    """Send requests until both sides are full and the base station ends the connection."""
    while True:
        connection.sendall(request)


def test_connections_leave_descriptors_for_the_rest() -> None:
    for descriptors in (64, 256, 1_024, 4_096, 10**6):
        assert 10 <= allowed_connections(descriptors) <= max(10, descriptors - 200)
