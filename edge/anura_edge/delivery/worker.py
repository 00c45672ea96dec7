"""Carries the journal's queue to the base station.

The queue on disk is the only memory: each connection sends again whatever is still pending. A PUBACK only frees a
place in flight, because a broker acknowledges what it holds in memory (measured: killed after 500 acknowledged
publishes, mosquitto delivered none of them); a row leaves the queue when the base station has committed it.
"""

import logging
import random
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from anura_edge import wire
from anura_edge.clips.finder import ClipFinder
from anura_edge.config.device import Config
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.clip_upload import ClipUploader
from anura_edge.delivery.connection import TIMEOUT_S, MqttConnection
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.publisher import RowPublisher
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal

log = logging.getLogger(__name__)

MANY_WAITS = 10
"""A connection that lasts so many times as long as we waited for it is worth the next try at once."""

GOOD_S = 60.0
MAX_CUT_OFF = 2
RIVAL = "the broker ends each connection soon; does another device have our site and name? give each its own"

HEALTH_LASTS = 10
"""The broker forgets how the device was after this many times without news."""

MIN_RETRY_S, MAX_RETRY_S = 1.0, 120.0


class DeliveryWorker:
    """A thread that keeps the queue moving. The broker may be away at the start, or at any time later."""

    def __init__(
        self,
        journal: Journal,
        config: Config,
        mqtt: MqttSettings,
        online_status: wire.Status,
        beat: Callable[[float], None] = lambda _: None,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called again and again, with how long it may take until the next time.

        `give_up` is called when the journal is broken, at the courier's end.
        """
        self._journal, self._config, self._mqtt, self._online_status, self._beat = (
            journal,
            config,
            mqtt,
            online_status,
            beat,
        )
        self._give_up = give_up
        self._password = mqtt.password()
        self._stop = Event()
        self._poison_rows = PoisonRowFinder()
        notes = ClipIndex(journal)
        self.clips = ClipFinder(notes, config.clips_path, config.clips, config.audio)
        """What the base station may ask audio of."""
        self._clip_lane = ClipUploader(self.clips, notes, config, self.wake)
        self._link: MqttConnection | None = None
        self._health: wire.Health | None = None
        self._cut_off = 0
        """So many connections ended soon after they began, one after the other."""
        self._thread = Thread(target=self._run, name="courier", daemon=True)
        self.problem: str | None = "not connected yet"
        """Why nothing is being delivered at the moment; None when all is well."""

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there are new rows."""
        if link := self._link:
            link.notes.put(None)

    def publish_health(self, health: wire.Health) -> None:
        """Say how the device is. It is sent when there is a connection; one that is old by then is not."""
        self._health = health
        self.wake()

    def stop(self) -> None:
        """Say goodbye and end; what is pending stays in the journal."""
        self._stop.set()
        self.wake()
        self._thread.join()
        self._clip_lane.close()

    def _run(self) -> None:
        retry_s = MIN_RETRY_S
        while not self._stop.is_set():
            began, cut_off = monotonic(), self._cut_off
            self._beat(TIMEOUT_S)
            try:
                self._connect_and_serve()
            except Exception as error:  # whatever it is: a courier that dies delivers nothing ever again
                self._note_problem(f"broker {self._mqtt.host}:{self._mqtt.port}: {error}")
            if self._journal.is_broken:
                self._give_up()
                return
            # A connection that held was a good one: the next fault begins again with a short wait. One that lasted but
            # a few waits may have been ended by a device with our name: then both wait longer and longer.
            # Where a batch is looked at, each connection brings the answer nearer.
            was_in = self._cut_off != cut_off
            if monotonic() - began > MANY_WAITS * retry_s or (was_in and self._poison_rows.careful):
                retry_s = MIN_RETRY_S
            else:
                retry_s = min(2 * retry_s, MAX_RETRY_S)
            # Jitter, so that a hundred devices do not all come back in the same second after a power cut.
            self._beat(retry_s)
            self._stop.wait(retry_s * random.uniform(0.5, 1))  # noqa: S311

    def _connect_and_serve(self) -> None:
        device = self._config.device
        status = wire.topic(device.site, device.name, "status")
        offline = wire.Status(state="offline").to_bytes()
        acks, commands = (wire.topic(device.site, device.name, kind) for kind in ("ack", "cmd"))
        client_id = f"anura-{device.site}-{device.name}"
        will = status, offline
        self._link = link = MqttConnection(
            self._mqtt, self._password, client_id, will=will, subscribe=acks, commands=commands
        )
        try:
            connected = link.open()
            link.publish(status, self._online_status.to_bytes(), retain=True)
            publisher = RowPublisher(
                self._journal, self._config, self._mqtt, link, connected.max_packet_bytes, self._poison_rows
            )
            self._clip_lane.begin(link, connected.max_packet_bytes)
            self._cut_off += 1
            began = monotonic()
            while not self._stop.is_set():
                self._beat(0)
                if monotonic() - began > GOOD_S:
                    self._cut_off = 0
                self._note_problem(publisher.problem or (RIVAL if self._cut_off > MAX_CUT_OFF else None))
                publisher.send()
                self._send_health(link)
                if publisher.is_idle:
                    self._clip_lane.send()
                note = link.next(timeout_s=1.0)
                publisher.take(note)
                self._clip_lane.take(note)
            link.publish(status, offline, retain=True)  # a clean goodbye keeps the broker from sending the will
        finally:
            link.close()

    def _send_health(self, link: MqttConnection) -> None:
        health, self._health = self._health, None
        if health:
            device = self._config.device
            expires_s = round(HEALTH_LASTS * health.every_s)
            name = wire.topic(device.site, device.name, "health")
            link.publish(name, health.to_bytes(), retain=True, expires_s=expires_s)

    def _note_problem(self, problem: str | None) -> None:
        if problem and problem != self.problem:
            log.warning("%s; rows wait in the journal", problem)
        elif self.problem and not problem:
            log.info("delivering to %s:%s", self._mqtt.host, self._mqtt.port)
        self.problem = problem
