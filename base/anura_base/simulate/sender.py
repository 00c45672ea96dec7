"""Sends what a network of recorders tells through a real broker, and waits until the base station has all of it.

One connection speaks for all recorders: a broker without access rules allows it, and fifty would cost fifty threads.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition, Event
from time import monotonic
from uuid import UUID

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from anura_base.simulate.messages import SimulatedMessage
from anura_edge.errors import DeliveryError
from anura_edge.wire import Ack, Refusal, parse_answer, topic
from anura_edge.wire.mqtt import QOS, make_client, publish

log = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED = 100
"""Messages on their way. A broker drops those beyond its own queue of 1,000 without a word."""

RESEND_S = 5.0
"""What nobody has acknowledged for so long is sent again."""

PATIENCE_S = 300.0
"""Without any acknowledgement for so long, there is no base station."""


@dataclass(slots=True)
class SentCounts:
    """What the base station has acknowledged."""

    events: int = 0
    rows: int = 0


class FleetSender:
    """All recorders, as far as the broker can tell."""

    def __init__(self, host: str, port: int) -> None:
        """Raise DeliveryError if there is no broker."""
        self._changed = Condition()
        self._waiting: dict[UUID, dict[int, SimulatedMessage]] = {}
        """By journal and first number: what is not acknowledged yet."""
        self._count = 0
        self._progress_at = monotonic()
        self.sent = SentCounts()
        self._subscribed = Event()
        self._client = make_client()
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        try:
            self._client.connect(host, port)
        except OSError as error:
            raise DeliveryError(
                f"no broker answers at {host}:{port}: {error}; start one, as in `mosquitto -p {port}`"
            ) from error
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise DeliveryError(f"the broker at {host}:{port} does not let us in; this needs one that asks for no name")

    def send_all(
        self, parcels: Iterable[SimulatedMessage], progress: Callable[[SentCounts], None] = lambda _: None
    ) -> SentCounts:
        """Send parcels, and return when all of them are acknowledged.

        Raises DeliveryError if no base station answers.
        """
        for parcel in parcels:
            self._wait(lambda: self._count < MAX_UNACKNOWLEDGED)
            if parcel.rows:
                with self._changed:
                    self._waiting.setdefault(parcel.recorder.journal, {})[parcel.first_seq] = parcel
                    self._count += 1
            self._publish(parcel)
            progress(self.sent)
        self._wait(lambda: self._count == 0)
        progress(self.sent)
        return self.sent

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, until: Callable[[], bool]) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(until, RESEND_S):
                    return
                left = [parcel for parcels in self._waiting.values() for parcel in parcels.values()]
                silent_s = monotonic() - self._progress_at
            if silent_s > PATIENCE_S:
                raise DeliveryError(f"no base station has answered for {silent_s:.0f} s; start `anura-base run`")
            if silent_s > RESEND_S:
                for parcel in left:
                    self._publish(parcel)

    def _publish(self, parcel: SimulatedMessage) -> None:
        name = topic(parcel.recorder.site, parcel.recorder.name, parcel.kind)
        retain = parcel.kind in ("status", "health")
        publish(self._client, name, parcel.payload, retain=retain)

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: object
    ) -> None:
        client.subscribe(topic("+", "+", "ack"), QOS)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            answer = parse_answer(bytes(message.payload))
        except DeliveryError as error:
            log.warning("ignoring an answer: %s", error)
            return
        if isinstance(answer, Refusal):
            log.warning("the base station refuses a batch: %s", answer.reason)
        if not isinstance(answer, Ack):
            return
        with self._changed:
            waiting = self._waiting.get(answer.journal, {})
            for first in [*waiting]:
                if any(begin <= first and waiting[first].last_seq <= end for begin, end in answer.received):
                    self._note(waiting.pop(first))
            self._changed.notify_all()

    def _note(self, parcel: SimulatedMessage) -> None:
        self._count -= 1
        self._progress_at = monotonic()
        self.sent.rows += parcel.rows
        self.sent.events += parcel.rows if parcel.kind == "event" else 0
