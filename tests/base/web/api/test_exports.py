"""Exports are read from a temporary file: a reader that stops blocks neither other exports nor the database's log."""

import gc
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import device_rows
import pytest
from fastapi import HTTPException
from sqlalchemy import Engine, insert
from support import DEADLINE_S

from anura_base.db.engine import open_database
from anura_base.db.schema import events
from anura_base.exchange.spool import Spool
from anura_base.web.api import exports
from anura_base.web.call_filters import CallFilters

ROWS = 3_000


@pytest.fixture
def filled(database_url: str) -> Engine:
    """A database whose export does not fit into the buffers of a connection."""
    engine = open_database(database_url)
    row = dict(device_rows.event(1))
    row |= {"site": "s", "device": "d", "journal": uuid4(), "received_utc": row["start_utc"]}
    with engine.begin() as connection:
        rows = [{**row, "id": uuid4(), "seq": n, "recording_name": "r" * 2_400} for n in range(ROWS)]
        connection.execute(insert(events), rows)
    engine.dispose()  # so that the log is empty
    return engine


def test_readers_that_stop_block_neither_exports_nor_the_log(
    filled: Engine, start_base: Any, device: Any, make: Any, database_url: str
) -> None:
    base = start_base()
    address = urlsplit(base.url)
    with ExitStack() as stack:
        for _ in range(exports.MAX_RUNNING + 2):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.settimeout(DEADLINE_S)
            reader.connect((address.hostname, address.port))
            reader.sendall(b"GET /api/exports/birdnet HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert reader.recv(100).startswith(b"HTTP/1.1 200")
        assert base.get("api/exports/birdnet").count("\n") == ROWS + 1
        for seq in range(1, 40):
            device.send(*(make.event(100 * seq + n) for n in range(100)), floor=0)
            device.ack()
        log = Path(database_url.removeprefix("sqlite:///") + "-wal")
        assert log.stat().st_size < 20_000_000


def test_spool_gives_all_parts_and_the_error_that_ended_them() -> None:
    def parts():  # noqa: ANN202
        yield from (b"a" * 100_000, b"", b"b")
        raise ValueError("broken")

    spool = Spool()
    spool.fill(parts())
    read = []
    with pytest.raises(ValueError, match="broken"):
        read.extend(spool.read())
    assert b"".join(read) == b"a" * 100_000 + b"b"


def test_spool_stops_the_job_when_its_reader_has_gone() -> None:
    spool = Spool()
    taken = []

    def parts():  # noqa: ANN202
        for number in range(1_000):
            taken.append(number)
            yield b"x"
            if number == 2:
                reader.close()

    reader = spool.read()
    first = os.urandom(1)
    spool._write(first)
    assert next(reader) == first
    spool.fill(parts())
    assert len(taken) < 10


def test_number_of_open_exports_is_limited(engine: Engine) -> None:
    jobs = exports.ExportJobs()
    asked = exports.Form("birdnet"), engine, {}, jobs, CallFilters()
    running = [exports.read_export(*asked) for _ in range(exports.MAX_OPEN)]
    with pytest.raises(HTTPException) as refused:
        exports.read_export(*asked)
    assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": exports.RETRY_AFTER_S})
    running.clear()  # as if their readers had closed the connection
    gc.collect()
    assert exports.read_export(*asked).status_code == 200
