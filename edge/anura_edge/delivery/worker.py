"""The thread that delivers the rows of the journal to the base station.

The outbox on disk is the only memory: each connection sends again all rows that are still pending. A PUBACK only frees
a place in flight, because a broker acknowledges what it holds in memory (measured: mosquitto, killed after 500
acknowledged publishes, delivered none of them). A row leaves the outbox when the base station has committed it.
"""

import logging
import random
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from anura_edge import wire
from anura_edge.config.device import DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.clip_upload import ClipUploader
from anura_edge.delivery.connection import TIMEOUT_S, MqttConnection
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.publisher import RowPublisher
from anura_edge.delivery.updates import UpdateReceiver
from anura_edge.store.journal import Journal
from anura_edge.system.hardware import machine_id

log = logging.getLogger(__name__)

GOOD_CONNECTION_RETRIES = 10
"""A connection that lasted this many times as long as the pause before it is followed by the shortest pause."""

STABLE_CONNECTION_S = 60.0
MAX_SHORT_CONNECTIONS = 2
SAME_NAME = "the broker ends each connection soon; does another device have our site and name? give each its own"

HEALTH_EXPIRY_INTERVALS = 10
"""The broker deletes a health message after so many intervals without a new one."""

MIN_RETRY_S, MAX_RETRY_S = 1.0, 120.0


class DeliveryWorker:
    """Delivers rows, health messages and clips, and receives models and settings.

    The broker may be away at the start, or at any time later.
    """

    def __init__(
        self,
        journal: Journal,
        device: DeviceSettings,
        mqtt: MqttSettings,
        online_status: wire.Status,
        clips: ClipUploader,
        heartbeat: Callable[[float], None] = lambda _: None,
        on_broken_journal: Callable[[], None] = lambda: None,
        updates: UpdateReceiver | None = None,
    ) -> None:
        """`heartbeat` is called again and again, with the longest time until the next call.

        `on_broken_journal` is called when the journal cannot be used any more. The thread ends then.
        """
        self._journal, self._device, self._mqtt = journal, device, mqtt
        self._online_status, self._clips, self._updates = online_status, clips, updates
        self._heartbeat, self._on_broken_journal = heartbeat, on_broken_journal
        self._password = mqtt.password()
        self._stop = Event()
        self._poison_rows = PoisonRowFinder()
        self._connection: MqttConnection | None = None
        self._health: wire.Health | None = None
        self._short_connections = 0
        """The number of connections in a row that ended soon after they began."""
        self._thread = Thread(target=self._run, name="delivery", daemon=True)
        self.problem: str | None = "not connected yet"
        """Why nothing is delivered now. None when all is well."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Send new rows now."""
        if connection := self._connection:
            connection.wake()

    def publish_health(self, health: wire.Health) -> None:
        """Send a health message as soon as there is a connection. A newer message replaces one that still waits."""
        self._health = health
        self.wake()

    def stop(self) -> None:
        """Publish `offline` and end the thread. Pending rows stay in the journal."""
        self._stop.set()
        self.wake()
        self._thread.join()
        self._clips.close()
        if self._updates:
            self._updates.close()

    def _run(self) -> None:
        retry_s = MIN_RETRY_S
        while not self._stop.is_set():
            began_s, short_connections = monotonic(), self._short_connections
            self._heartbeat(TIMEOUT_S)
            try:
                self._connect_and_serve()
            except Exception as error:  # any error: without this thread no row is ever delivered
                self._set_problem(f"broker {self._mqtt.host}:{self._mqtt.port}: {error}")
            if self._journal.database.is_broken:
                self._on_broken_journal()
                return
            was_connected = self._short_connections != short_connections
            retry_s = self._next_retry_s(retry_s, monotonic() - began_s, was_connected=was_connected)
            # Random, so that a hundred devices do not all connect in the same second after a power cut.
            self._heartbeat(retry_s)
            self._stop.wait(retry_s * random.uniform(0.5, 1))  # noqa: S311

    def _next_retry_s(self, retry_s: float, lasted_s: float, *, was_connected: bool) -> float:
        """Return the pause before the next attempt.

        A long connection was a good one, so the next fault begins with a short pause. A connection that lasted only a
        few pauses may have been ended by a device with our name: then both devices wait longer and longer. While a row
        that is refused is searched for, each connection brings the result nearer.
        """
        is_good = lasted_s > GOOD_CONNECTION_RETRIES * retry_s
        if is_good or (was_connected and self._poison_rows.is_searching):
            return MIN_RETRY_S
        return min(2 * retry_s, MAX_RETRY_S)

    def _connect_and_serve(self) -> None:
        status, offline = self._topic("status"), wire.Status(state="offline").to_bytes()
        self._connection = connection = MqttConnection(
            self._mqtt,
            self._password,
            # Two computers with one name would end each other's connections if their client ids were equal.
            f"anura-{self._device.site}-{self._device.name}-{machine_id() or ''}",
            will=(status, offline),
            ack_topic=self._topic("ack"),
            command_topic=self._topic("cmd"),
        )
        try:
            max_packet_bytes = connection.open().max_packet_bytes
            connection.publish(status, self._online_status.to_bytes(), retain=True)
            publisher = RowPublisher(
                self._journal, self._device, self._mqtt, connection, max_packet_bytes, self._poison_rows
            )
            self._clips.begin(connection, max_packet_bytes)
            if self._updates:
                self._updates.begin(connection)
            self._short_connections += 1
            self._serve(connection, publisher)
            self._send_health(connection)
            connection.publish(status, offline, retain=True)  # Without it the broker would publish the last will.
        finally:
            connection.close()

    def _serve(self, connection: MqttConnection, publisher: RowPublisher) -> None:
        began_s = monotonic()
        while not self._stop.is_set():
            self._heartbeat(0)
            if monotonic() - began_s > STABLE_CONNECTION_S:
                self._short_connections = 0
            has_rival = self._short_connections > MAX_SHORT_CONNECTIONS
            self._set_problem(publisher.problem or (SAME_NAME if has_rival else None))
            publisher.send()
            self._send_health(connection)
            if publisher.is_idle:
                self._clips.send()
                if self._updates:
                    self._updates.send()
            event = connection.next_event(timeout_s=1.0)
            publisher.handle(event)
            self._clips.handle(event)
            if self._updates:
                self._updates.handle(event)

    def _send_health(self, connection: MqttConnection) -> None:
        health, self._health = self._health, None
        if health:
            expires_s = round(HEALTH_EXPIRY_INTERVALS * health.every_s)
            connection.publish(self._topic("health"), health.to_bytes(), retain=True, expires_s=expires_s)

    def _topic(self, kind: wire.Kind) -> str:
        return wire.topic(self._device.site, self._device.name, kind)

    def _set_problem(self, problem: str | None) -> None:
        if problem and problem != self.problem:
            log.warning("%s; rows wait in the journal", problem)
        elif self.problem and not problem:
            log.info("delivering to %s:%s", self._mqtt.host, self._mqtt.port)
        self.problem = problem
