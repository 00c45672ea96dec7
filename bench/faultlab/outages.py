"""Brokers and base stations that are killed while rows are on their way to them."""

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from queue import Empty

from support import DEADLINE_S, eventually

from faultlab.backlog import Edge, fill
from faultlab.field import BATCHES, Field
from faultlab.ledger import Ledger, Progress, committed, settle

POLL_S = 0.0005

DEATHS_PER_DEVICE = 3
"""A device waits twice as long after each connection that did not hold; a new one begins with a second."""


def kill_brokers(field: Field, deaths: int, rows: int, seed: int, progress: Progress = lambda _: None) -> Ledger:
    """Kill the broker (SIGKILL) while a device delivers, start it again, device after device."""
    choice = random.Random(seed)

    def kill(_device: str) -> None:
        time.sleep(choice.uniform(0, 0.1))
        field.broker.kill()
        field.broker.start()

    return _campaign(field, deaths, rows, f"broker-{seed}", [kill], progress)


def kill_bases(field: Field, deaths: int, rows: int, seed: int, progress: Progress = lambda _: None) -> Ledger:
    """Kill the base station (SIGKILL) as soon as rows are sent, or as soon as some are committed, by turns."""
    before, after = 0, 0

    def kill(device: str) -> None:
        nonlocal before, after
        field.base.end(signal.SIGKILL)
        there = field.base.ids(device).keys()
        before += any(who == device and row not in there for who, row in list(field.wire.rows))
        after += any(
            not field.wire.is_acknowledged(device, row["seq"])
            for kind in BATCHES
            for row in field.base.rows(device, kind)
        )
        field.base.start()

    def kill_after_commit(device: str) -> None:
        _until_committed(field)
        kill(device)

    books = _campaign(field, deaths, rows, f"base-{seed}", [kill, kill_after_commit], progress)
    books.uncommitted, books.unacknowledged = before, after
    return books


def _campaign(
    field: Field, deaths: int, rows: int, prefix: str, kills: list[Callable[[str], None]], progress: Progress
) -> Ledger:
    books = Ledger()
    while books.deaths < deaths:
        device = f"{prefix}-{books.deaths}"
        ids = fill(field.folder / device / "state", device, rows)
        died = 0
        with Edge(field, device) as edge:
            while died < min(deaths - books.deaths, DEATHS_PER_DEVICE) and _is_sending(field, device, edge):
                kills[(books.deaths + died) % len(kills)](device)
                died += 1
            eventually(lambda: not edge.pending(), 10 * DEADLINE_S)
        assert committed(edge.state, field.folder / "scratch") >= ids
        part = settle(field, device, edge.state, ids, {})
        part.deaths = died
        books += part
        progress(books)
    return books


def _is_sending(field: Field, device: str, edge: Edge) -> bool:
    """Wait until the next row is on the wire; say no if there is none left."""
    while not field.wire.arrived.empty():
        field.wire.arrived.get()
    while edge.pending():
        try:
            if field.wire.arrived.get(timeout=1)[0] == device:
                return True
        except Empty:
            continue
    return False


def _until_committed(field: Field) -> None:
    """Return as soon as the base station has committed something."""
    with closing(sqlite3.connect(field.base.database, timeout=DEADLINE_S)) as database:
        version = database.execute("PRAGMA data_version").fetchone()
        deadline = time.monotonic() + DEADLINE_S
        while database.execute("PRAGMA data_version").fetchone() == version and time.monotonic() < deadline:
            time.sleep(POLL_S)
