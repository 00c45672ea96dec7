"""Strangers who hold connections open stop neither pages nor ingest of a real base station with few descriptors."""

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
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


LARGE = b"GET /static/explore/vendor/wavesurfer.min.js HTTP/1.1\r\nHost: a\r\n\r\n"


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
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        _send_for_ever(reader, LARGE)
    assert "<html" in base.get("login")


def test_reader_of_a_few_bytes_at_a_time_is_disconnected(start_base, connect) -> None:  # noqa: ANN001
    base = start_base(command())
    reader = connect(base.url)
    reader.sendall(1_000 * LARGE)  # the answers are more than the buffers of both sides hold
    assert _is_open_at_the_other_end(reader)
    eventually(lambda: bool(reader.recv(1)) and not _is_open_at_the_other_end(reader))
    assert "<html" in base.get("login")


def test_reader_that_reads_fast_enough_gets_everything(start_base, connect) -> None:  # noqa: ANN001
    base = start_base(command())
    reader = connect(base.url)
    reader.sendall(99 * LARGE + LARGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    received = b"".join(iter(lambda: reader.recv(1 << 16), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 100


def _read(connection: socket.socket) -> bytes:
    """Return the next bytes, b"" if the connection was closed in either way."""
    try:
        return connection.recv(1)
    except ConnectionResetError:
        return b""


def _is_open_at_the_other_end(connection: socket.socket) -> bool:
    """Return whether the base station holds the connection; its own end still sends what the system has buffered."""
    ends = f"{connection.getpeername()[1]:04X}", f"{connection.getsockname()[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    states = {(line[1].split(":")[1], line[2].split(":")[1]): line[3] for line in lines}
    return states.get(ends) == "01"  # established


def _send_for_ever(connection: socket.socket, request: bytes) -> None:
    """Send requests until both sides are full and the base station ends the connection."""
    while True:
        connection.sendall(request)


def test_connections_leave_descriptors_for_the_rest() -> None:
    for descriptors in (64, 256, 1_024, 4_096, 10**6):
        assert 10 <= allowed_connections(descriptors) <= max(10, descriptors - 200)


def test_invalid_body_of_a_head_request_is_no_error_of_the_base_station(
    start_base: Callable[..., Any], connect: Callable[[str], socket.socket], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with log.open("w") as errors:
        base = start_base(stderr=errors)
        stranger = connect(base.url)
        stranger.sendall(
            b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n"
        )
        assert b" 200 " not in _read(stranger)
        assert "<html" in base.get("login")
    assert "Traceback" not in log.read_text()
