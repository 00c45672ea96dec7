"""Events per second that a base station commits and acknowledges: `.venv/bin/python bench/ingest.py [--events 40000]`.

A real mosquitto, a real `anura-base run` and, in this process, simulated devices. Each has as many unacknowledged rows
as a real one, in compressed batches of 200 or with one event per message. The time runs from the first publish to the
last acknowledgement; the payloads are made before. Broker, senders and base station share the cores of this machine, so
the last columns are more comparable: CPU seconds for 1,000 events, of the base station alone (without PostgreSQL's
processes) and of all processes. A base station uses at most one core, because of Python's lock.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support import DEADLINE_S, Broker, PostgreSql, eventually, free_port

from anura_edge.audio import ClockSource
from anura_edge.events import Event
from anura_edge.wire import Provenance, batch, digest, event_row, pack, parse_answer, topic

BASE = "from anura_base.cli.main import main; main()"
PROVENANCE = Provenance("frogs-eastern-north-america", "1.0.0", "5f" * 32, "c0ffee012345", "0.1.0")
DEVICES = 8
MAX_UNACKNOWLEDGED_ROWS = 2_000
"""Like the publisher of a device."""

MAX_IN_FLIGHT = 20


def event(device: int, n: int) -> Event:
    """Return an event with realistic values."""
    begin = datetime(2026, 4, 12, 20, tzinfo=UTC) + timedelta(seconds=7.31 * n)
    return Event(
        id=uuid4(),
        label="PSECRU",
        scientific_name="Pseudacris crucifer",
        recording=f"{device:016x}{n // 300:016x}",
        recording_name=f"Data/SITE_{begin:%Y%m%d_%H}0000.wav",
        onset_sample=175_440 * (n % 300),
        offset_sample=175_440 * (n % 300) + 48_000,
        rate_hz=24_000,
        start_utc=begin,
        end_utc=begin + timedelta(seconds=2),
        clock_source=ClockSource.RECORDER,
        p_peak=0.9 - n % 97 / 300,
        p_mean=0.7 - n % 89 / 300,
        level_dbfs=-31.5 - n % 53 / 7,
    )


class SimulatedDevice:
    """A device that sends prepared messages, up to the limit of unacknowledged rows."""

    def __init__(self, number: int, port: int, events: int, rows: int) -> None:
        self._name, journal = f"device-{number}", uuid4()
        numbered = [event_row(seq, event(number, seq), PROVENANCE) for seq in range(1, events + 1)]
        groups = [numbered[at : at + rows] for at in range(0, events, rows)]
        self._payloads = [batch(journal, 1, group) for group in groups]
        if rows > 1:
            self._payloads = [pack(payload) for payload in self._payloads]
        self._sizes = {digest(payload): len(group) for payload, group in zip(self._payloads, groups, strict=True)}
        self._rows, self._left = rows, events
        self._free = threading.Semaphore(max(1, MAX_UNACKNOWLEDGED_ROWS // rows))
        self._client = Client(CallbackAPIVersion.VERSION2, self._name, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages_set(MAX_IN_FLIGHT)
        self._client.on_message = self._on_ack
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(topic("bench", self._name, "ack"), 1)
        assert self._subscribed.wait(DEADLINE_S)
        self.done = threading.Event()

    def send_all(self) -> None:
        """Send all messages, with a limited number of unacknowledged rows."""
        for payload in self._payloads:
            self._free.acquire()
            self._client.publish(topic("bench", self._name, "event"), payload, qos=1)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_ack(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        answer: Any = parse_answer(bytes(message.payload))
        acknowledged = sum(self._sizes[each] for each in answer.batches)
        self._left -= acknowledged
        self._free.release(max(1, round(acknowledged / self._rows)))
        if self._left <= 0:
            self.done.set()


@contextmanager
def base_station(folder: Path, url: str, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run a base station that is connected to its broker."""
    log = folder / "base.txt"
    options = ["--database", url, "--mqtt", f"127.0.0.1:{port}", "--web", "127.0.0.1:0"]
    with log.open("w") as errors:
        command = [sys.executable, "-c", BASE, "run", *options]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, text=True)
    try:
        eventually(lambda: "connected to the broker" in log.read_text())
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)


def cpu_s(*pids: int) -> float:
    """Return the CPU time of processes so far, in seconds."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15]))  # with the children that it has waited for
    return total / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, url: str, rows: int, events: int) -> tuple[float, float, float]:
    """Return events per second, and CPU seconds for 1,000 events: of the base station, and of all processes."""
    broker = Broker(folder, free_port(), "allow_anonymous true\nmax_queued_messages 0\n")
    broker.start()
    try:
        with base_station(folder, url, broker.port) as base:
            devices = [SimulatedDevice(n, broker.port, events // DEVICES, rows) for n in range(DEVICES)]
            threads = [threading.Thread(target=device.send_all) for device in devices]
            assert broker.process
            all_pids = base.pid, broker.process.pid, os.getpid()
            used, used_by_all, began = cpu_s(base.pid), cpu_s(*all_pids), time.monotonic()
            for thread in threads:
                thread.start()
            for device in devices:
                assert device.done.wait(600), "not acknowledged"
            took, used = time.monotonic() - began, cpu_s(base.pid) - used
            used_by_all = cpu_s(*all_pids) - used_by_all
            for device in devices:
                device.close()
    finally:
        broker.stop()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM events")) == events // DEVICES * DEVICES
    engine.dispose()
    return events / took, 1_000 * used / events, 1_000 * used_by_all / events


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40_000)
    events = parser.parse_args().events
    print("| database | rows a message | events a second | core-seconds of the base for 1,000 | of all |")
    print("|---|--:|--:|--:|--:|", flush=True)
    for name in ("SQLite", "PostgreSQL"):
        for rows in (200, 1):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch)
                server = PostgreSql(Path(tempfile.gettempdir()) / f"anura-bench-{os.getpid()}", free_port())
                if name == "SQLite":
                    rate, used, by_all = measure(folder, f"sqlite:///{folder / 'base.db'}", rows, events)
                else:
                    server.start()
                    try:
                        rate, used, by_all = measure(folder, server.url, rows, events)
                    finally:
                        server.stop()
            print(f"| {name} | {rows} | {rate:,.0f} | {used:.2f} | {by_all:.2f} |", flush=True)


if __name__ == "__main__":
    main()
