"""Carries the journal's queue to the base station.

The queue on disk is the only memory: each connection sends again whatever is still pending. A PUBACK only frees a
place in flight, because a broker acknowledges what it holds in memory (measured: killed after 500 acknowledged
publishes, mosquitto delivered none of them); a row leaves the queue when the base station has committed it.
"""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from threading import Event, Thread
from time import monotonic

from anura_edge import wire
from anura_edge.config import Config, Mqtt
from anura_edge.errors import DeliveryError
from anura_edge.journal import Journal
from anura_edge.link import TIMEOUT_S, Closed, Link, Note, Published, Received
from anura_edge.wire import Row

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 20
"""Messages without a PUBACK; paho keeps them in memory."""

MAX_BATCH_ROWS = 50
"""About 30 kB of JSON: passes a thin link within a keepalive, and makes headers not matter."""

MAX_UNACKNOWLEDGED_ROWS = 2_000
"""How far sending runs ahead of the base station."""

_HEADER_BYTES = 256
"""Room for MQTT's own header, the topic and the properties of a publish."""

HEALTH_LASTS = 10
"""The broker forgets how the device was after this many times without news."""

MIN_RETRY_S, MAX_RETRY_S = 1.0, 120.0
MAX_RESEND_S = 3_600.0


class Courier:
    """A thread that keeps the queue moving. The broker may be away at the start, or at any time later."""

    def __init__(
        self,
        journal: Journal,
        config: Config,
        mqtt: Mqtt,
        birth: wire.Status,
        beat: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`beat` is called again and again, with how long it may take until the next time."""
        self._journal, self._config, self._mqtt, self._birth, self._beat = journal, config, mqtt, birth, beat
        self._password = mqtt.password()
        self._stop = Event()
        self._link: Link | None = None
        self._health: wire.Health | None = None
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

    def tell(self, health: wire.Health) -> None:
        """Say how the device is. It is sent when there is a connection; one that is old by then is not."""
        self._health = health
        self.wake()

    def stop(self) -> None:
        """Say goodbye and end; what is pending stays in the journal."""
        self._stop.set()
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        retry_s = MIN_RETRY_S
        while not self._stop.is_set():
            began = monotonic()
            self._beat(TIMEOUT_S)
            try:
                self._connect_and_serve()
            except Exception as error:  # whatever it is: a courier that dies delivers nothing ever again
                self._note_problem(f"broker {self._mqtt.host}:{self._mqtt.port}: {error}")
            # A connection that held was a good one: the next fault begins again with a short wait.
            retry_s = MIN_RETRY_S if monotonic() - began > retry_s else min(2 * retry_s, MAX_RETRY_S)
            # Jitter, so that a hundred devices do not all come back in the same second after a power cut.
            self._beat(retry_s)
            self._stop.wait(retry_s * random.uniform(0.5, 1))  # noqa: S311

    def _connect_and_serve(self) -> None:
        device = self._config.device
        status = wire.topic(device.site, device.name, "status")
        offline = wire.Status(state="offline").to_bytes()
        acks = wire.topic(device.site, device.name, "ack")
        client_id = f"anura-{device.site}-{device.name}"
        self._link = link = Link(self._mqtt, self._password, client_id, will=(status, offline), subscribe=acks)
        try:
            connected = link.open()
            link.publish(status, self._birth.to_bytes(), retain=True)
            sender = _Sender(self._journal, self._config, self._mqtt, link, connected.max_packet_bytes)
            while not self._stop.is_set():
                self._beat(0)
                self._note_problem(sender.problem)
                sender.send()
                self._send_health(link)
                sender.take(link.next(timeout_s=1.0))
            link.publish(status, offline, retain=True)  # a clean goodbye keeps the broker from sending the will
        finally:
            link.close()

    def _send_health(self, link: Link) -> None:
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


@dataclass(slots=True)
class _InFlight:
    """A batch that the broker has not answered, or whose turn to be settled has not come."""

    last_seq: int
    answered: bool = False
    settles: bool = True
    """False once it, or one before it, was refused: then its answer says nothing about all up to `last_seq`."""


class _Sender:
    """What has been sent over one connection, and what comes next."""

    def __init__(self, journal: Journal, config: Config, mqtt: Mqtt, link: Link, max_packet_bytes: int) -> None:
        self._journal, self._config, self._mqtt, self._link = journal, config, mqtt, link
        self._max_payload_bytes = min(max_packet_bytes - _HEADER_BYTES, wire.MAX_PAYLOAD_BYTES)
        self._in_flight: dict[int, _InFlight] = {}
        self._sent_to = 0
        self._highest_sent = 0
        self._progress_at = monotonic()
        self._resend_s = mqtt.resend_s
        self._too_large: Row | None = None
        """The lowest row that the broker does not take; what comes after it is sent, but cannot be settled past it."""
        self._refused: str | None = None
        self._unanswered: str | None = None

    @property
    def problem(self) -> str | None:
        """Why what was sent is not acknowledged: the broker refused it, or the base station is silent."""
        if self._too_large:
            return f"row {self._too_large.seq} is larger than the broker's limit; raise its max_packet_size"
        return self._refused or self._unanswered

    def send(self) -> None:
        """Hand over as many batches as may be on their way."""
        floor = self._journal.floor()
        if floor > self._sent_to:  # nothing is on its way
            self._progress_at = monotonic()
        elif monotonic() - self._progress_at > self._resend_s:
            self._repeat()
        elif self._refused:
            return
        while len(self._in_flight) < MAX_IN_FLIGHT and self._sent_to - floor < MAX_UNACKNOWLEDGED_ROWS:
            if not (rows := self._journal.pending(self._sent_to, MAX_BATCH_ROWS)):
                return
            self._publish(floor, [*takewhile(lambda row: type(row) is type(rows[0]), rows)])

    def _repeat(self) -> None:
        """Send all that is pending again, and less and less often: a link may be paid by the byte."""
        self._unanswered = f"no acknowledgement from the base station for {self._resend_s:g} s"
        self._sent_to = 0
        self._progress_at = monotonic()
        self._resend_s = min(2 * self._resend_s, MAX_RESEND_S)

    def _publish(self, floor: int, rows: Sequence[Row]) -> None:
        payload = wire.batch(self._journal.id, floor, rows)
        while len(payload) > self._max_payload_bytes and len(rows) > 1:
            rows = rows[: len(rows) // 2]
            payload = wire.batch(self._journal.id, floor, rows)
        self._sent_to = rows[-1].seq
        if len(payload) > self._max_payload_bytes:  # the broker would cut the connection at it, again and again
            self._too_large = self._too_large or rows[0]
            return
        device = self._config.device
        mid = self._link.publish(wire.topic(device.site, device.name, rows[0].kind), payload)
        self._in_flight[mid] = _InFlight(rows[-1].seq)
        self._highest_sent = max(self._highest_sent, self._sent_to)

    def take(self, note: Note | None) -> None:
        """Act on what happened.

        Raises DeliveryError when the connection is over.
        """
        match note:
            case Closed(reason):
                raise DeliveryError(reason)
            case Published(mid, accepted, reason) if mid in self._in_flight:
                self._at_broker(mid, accepted, reason)
            case Received(payload):
                self._at_base(payload)

    def _at_broker(self, mid: int, accepted: bool, reason: str) -> None:
        self._in_flight[mid].answered = True
        self._refused = None if accepted else f"the broker does not pass our rows on: {reason}"
        if not accepted:
            for message in self._in_flight.values():
                message.settles = False
        while self._in_flight and (first := next(iter(self._in_flight.values()))).answered:
            self._in_flight.pop(next(iter(self._in_flight)))
            if first.settles and self._mqtt.delivery == "broker":
                self._settle(first.last_seq)

    def _at_base(self, payload: bytes) -> None:
        try:
            ack = wire.Ack.from_bytes(payload)
        except DeliveryError as error:
            log.warning("ignoring an acknowledgement: %s", error)
            return
        if ack.journal == self._journal.id:
            # A base may remember more than a journal that was restored from a backup has sent: those rows stay.
            self._settle(min(ack.seq, self._highest_sent))

    def _settle(self, seq: int) -> None:
        self._journal.settle(min(seq, self._too_large.seq - 1) if self._too_large else seq)
        self._progress_at = monotonic()
        self._resend_s = self._mqtt.resend_s
        self._unanswered = None
