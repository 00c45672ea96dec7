"""The servers of a device under test: a real broker, a real base station, and a monitor of all messages."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import UUID

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from support import DEADLINE_S, Broker, eventually, free_port

from anura_edge.wire import (
    MAX_PAYLOAD_BYTES,
    Ack,
    EffortBatch,
    EventBatch,
    Kind,
    NoticeBatch,
    digest,
    parse_topic,
    topic,
)

SITE = "bench"
BATCHES: dict[Kind, type[EventBatch | EffortBatch | NoticeBatch]] = {
    "event": EventBatch,
    "effort": EffortBatch,
    "notice": NoticeBatch,
}
TABLES: dict[Kind, str] = {"event": "events", "effort": "effort", "notice": "notices"}
"""The base station's table for each kind of row."""

BASE = "from anura_base.cli.main import main; main()"

KINDS: tuple[Kind, ...] = (*BATCHES, "ack")


class BaseStation:
    """An `anura-base run` that can be killed and started again on its database."""

    def __init__(self, folder: Path, broker_port: int, environment: Mapping[str, str] | None = None) -> None:
        self.database = folder / "base.db"
        self._command = [sys.executable, "-c", BASE, "run", "--database", f"sqlite:///{self.database}"]
        self._command += ["--mqtt", f"127.0.0.1:{broker_port}", "--web", "127.0.0.1:0"]
        self._log = folder / "base.txt"
        self._environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it prints the address of its page."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        assert self.process.stdout
        assert "http" in self.process.stdout.readline(), f"the base station does not start, see {self._log}"

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send a signal, and wait for the end of the process."""
        if self.process:
            self.process.send_signal(number)
            self.process.communicate(timeout=DEADLINE_S)

    def rows(self, device: str, kind: Kind) -> list[dict[str, Any]]:
        """Return the committed rows of a device."""
        with closing(sqlite3.connect(self.database, timeout=DEADLINE_S)) as database:
            database.row_factory = sqlite3.Row
            query = f"SELECT * FROM {TABLES[kind]} WHERE device = ? ORDER BY arrival"
            return [dict(row) for row in database.execute(query, (device,))]

    def ids(self, device: str) -> Counter[UUID]:
        """Count the committed rows of a device by id, over all kinds."""
        return Counter(UUID(row["id"]) for kind in BATCHES for row in self.rows(device, kind))

    def query_row(self, query: str, device: str) -> tuple[Any, ...]:
        """Return the first row of a query about a device."""
        with closing(sqlite3.connect(self.database, timeout=DEADLINE_S)) as database:
            row: tuple[Any, ...] = database.execute(query, (device,)).fetchone()
            return row


class MqttMonitor:
    """Subscribes to all messages of devices, and counts the rows."""

    def __init__(self, broker_port: int) -> None:
        self.rows: Counter[tuple[str, UUID]] = Counter()
        """How often each row was sent, by device and id."""
        self.payload_bytes = 0
        self.arrived: Queue[tuple[str, UUID]] = Queue()
        """Rows in the order of their arrival."""
        self._batches: dict[str, set[tuple[str, int]]] = {}
        """Device and number of each row of a batch, by digest."""
        self._acknowledged: set[tuple[str, int]] = set()
        self._client = Client(CallbackAPIVersion.VERSION2, "bench-wire", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        topics = [(topic(SITE, "+", kind), 1) for kind in KINDS]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._is_subscribed = False
        self._client.on_subscribe = lambda *_: setattr(self, "_is_subscribed", True)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker_port)
        self._client.loop_start()
        eventually(lambda: self._is_subscribed)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def is_acknowledged(self, device: str, seq: int) -> bool:
        """Return whether the base station has acknowledged a row of a device."""
        return (device, seq) in self._acknowledged

    def repeats(self, device: str) -> int:
        """Count the repeated sends of a device's rows."""
        return sum(times - 1 for (name, _), times in list(self.rows.items()) if name == device)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        _, device, kind = parse_topic(message.topic)
        if kind == "ack":
            for each in Ack.from_bytes(bytes(message.payload)).batches:
                self._acknowledged |= self._batches.get(each, set())  # sent while the monitor was away
            return
        self.payload_bytes += len(message.payload)
        rows = BATCHES[kind].from_bytes(bytes(message.payload)).rows
        self._batches[digest(bytes(message.payload))] = {(device, row.seq) for row in rows}
        for row in rows:
            self.rows[device, row.id] += 1
            self.arrived.put((device, row.id))


class Servers:
    """A broker, a base station and a monitor. A context manager."""

    def __init__(self, folder: Path, broker_settings: str = "") -> None:
        self.folder = folder
        # Unlimited queues: the monitor must see every message.
        settings = f"allow_anonymous true\nmax_queued_messages 0\nmax_packet_size {4 * MAX_PAYLOAD_BYTES}\n"
        self.broker = Broker(folder, free_port(), settings + broker_settings)
        self.base = BaseStation(folder, self.broker.port)

    def __enter__(self) -> "Servers":
        self.broker.start()
        self.monitor = MqttMonitor(self.broker.port)
        self.base.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.base.stop()
        self.monitor.close()
        self.broker.stop()

    def environment(self, device: str, state: Path, **settings: str) -> dict[str, str]:
        """Return the settings of a device as environment variables.

        Its model is the fastest: with a slower one, most kills would come before the first commit.
        """
        values = {
            "MODEL__BUNDLE": "stream",
            "STATE_DIR": str(state),
            "DEVICE__SITE": SITE,
            "DEVICE__NAME": device,
            "MQTT__HOST": "127.0.0.1",
            "MQTT__PORT": str(self.broker.port),
            "MQTT__RESEND_S": "1",
            "AUDIO__UTC_OFFSET": "'-05:00'",
            **settings,
        }
        return {f"ANURA__{name}": value for name, value in values.items()}
