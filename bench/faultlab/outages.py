"""Kills brokers and base stations while rows are in flight."""

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from queue import Empty

from support import DEADLINE_S, eventually

from faultlab.device_process import DeviceProcess, fill_journal
from faultlab.fault_report import FaultReport, OnProgress, committed_ids, compare
from faultlab.servers import BATCHES, Servers

POLL_S = 0.0005

CRASHES_PER_DEVICE = 3
"""A device doubles its pause after each short connection. A new device starts with one second."""


def kill_brokers(
    servers: Servers, crashes: int, rows: int, seed: int, progress: OnProgress = lambda _: None
) -> FaultReport:
    """Kill the broker (SIGKILL) while a device delivers, and start it again. Repeat with new devices."""
    choice = random.Random(seed)

    def kill(_device: str) -> None:
        time.sleep(choice.uniform(0, 0.1))
        servers.broker.kill()
        servers.broker.start()

    return _campaign(servers, crashes, rows, f"broker-{seed}", [kill], progress)


def kill_bases(
    servers: Servers, crashes: int, rows: int, seed: int, progress: OnProgress = lambda _: None
) -> FaultReport:
    """Kill the base station (SIGKILL) in turn when rows are sent, and when rows are committed."""
    before, after = 0, 0

    def kill(device: str) -> None:
        nonlocal before, after
        servers.base.stop(signal.SIGKILL)
        there = servers.base.ids(device).keys()
        before += any(name == device and row not in there for name, row in list(servers.monitor.rows))
        after += any(
            not servers.monitor.is_acknowledged(device, row["seq"])
            for kind in BATCHES
            for row in servers.base.rows(device, kind)
        )
        servers.base.start()

    def kill_after_commit(device: str) -> None:
        _until_committed(servers)
        kill(device)

    report = _campaign(servers, crashes, rows, f"base-{seed}", [kill, kill_after_commit], progress)
    report.uncommitted, report.unacknowledged = before, after
    return report


def _campaign(
    servers: Servers, crashes: int, rows: int, prefix: str, kills: list[Callable[[str], None]], progress: OnProgress
) -> FaultReport:
    report = FaultReport()
    while report.crashes < crashes:
        device = f"{prefix}-{report.crashes}"
        ids = fill_journal(servers.folder / device / "state", device, rows)
        died = 0
        with DeviceProcess(servers, device) as edge:
            while died < min(crashes - report.crashes, CRASHES_PER_DEVICE) and _is_sending(servers, device, edge):
                kills[(report.crashes + died) % len(kills)](device)
                died += 1
            eventually(lambda: not edge.pending(), 10 * DEADLINE_S)
        assert committed_ids(edge.state, servers.folder / "scratch") >= ids
        part = compare(servers, device, edge.state, ids, {})
        part.crashes = died
        report += part
        progress(report)
    return report


def _is_sending(servers: Servers, device: str, edge: DeviceProcess) -> bool:
    """Wait until the next row is sent. Return False if no row is left."""
    while not servers.monitor.arrived.empty():
        servers.monitor.arrived.get()
    while edge.pending():
        try:
            if servers.monitor.arrived.get(timeout=1)[0] == device:
                return True
        except Empty:
            continue
    return False


def _until_committed(servers: Servers) -> None:
    """Wait for the next commit of the base station."""
    with closing(sqlite3.connect(servers.base.database, timeout=DEADLINE_S)) as database:
        version = database.execute("PRAGMA data_version").fetchone()
        deadline = time.monotonic() + DEADLINE_S
        while database.execute("PRAGMA data_version").fetchone() == version and time.monotonic() < deadline:
            time.sleep(POLL_S)
