"""Send the messages of simulated devices through a real broker, and wait for the base station's acknowledgements.

One MQTT client sends for all devices, which a broker without access rules allows. One client each would need a thread
each.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition, Event
from time import monotonic

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from anura_base.simulate.messages import SimulatedMessage
from anura_edge.errors import DeliveryError
from anura_edge.wire import Ack, Refusal, digest, parse_answer, topic
from anura_edge.wire.mqtt import QOS, make_client, publish

log = logging.getLogger(__name__)

MAX_UNACKNOWLEDGED = 100
"""Messages in flight. A broker silently drops messages beyond its own queue of 1,000."""

RESEND_S = 5.0
"""A message without an acknowledgement is sent again after this time."""

TIMEOUT_S = 300.0
"""Without any acknowledgement for this time, the sender gives up."""

SUBSCRIBE_TIMEOUT_S = 10.0


@dataclass(slots=True)
class SentCounts:
    """Number of rows that the base station has acknowledged, and how many of them are events."""

    events: int = 0
    rows: int = 0


class FleetSender:
    """Sends the messages of all devices over one connection."""

    def __init__(self, host: str, port: int) -> None:
        """Connect. Raise DeliveryError without a broker."""
        self._changed = Condition()
        self._waiting: dict[str, SimulatedMessage] = {}
        """Messages without an acknowledgement, by digest."""
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
        if not self._subscribed.wait(SUBSCRIBE_TIMEOUT_S):
            raise DeliveryError(f"the broker at {host}:{port} refuses the connection; use a broker without a login")

    def send_all(
        self, messages: Iterable[SimulatedMessage], progress: Callable[[SentCounts], None] = lambda _: None
    ) -> SentCounts:
        """Send messages, and return when all of their rows are acknowledged.

        Raises DeliveryError if no base station answers.
        """
        for message in messages:
            self._wait(lambda: len(self._waiting) < MAX_UNACKNOWLEDGED)
            if message.rows:
                with self._changed:
                    self._waiting[digest(message.payload)] = message
            self._publish(message)
            progress(self.sent)
        self._wait(lambda: not self._waiting)
        progress(self.sent)
        return self.sent

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, until: Callable[[], bool]) -> None:
        """Wait for a condition; meanwhile send old messages again."""
        while True:
            with self._changed:
                if self._changed.wait_for(until, RESEND_S):
                    return
                waiting = [*self._waiting.values()]
                silent_s = monotonic() - self._progress_at
            if silent_s > TIMEOUT_S:
                raise DeliveryError(f"no base station has answered for {silent_s:.0f} s; start `anura-base run`")
            if silent_s > RESEND_S:
                for message in waiting:
                    self._publish(message)

    def _publish(self, message: SimulatedMessage) -> None:
        name = topic(message.device.site, message.device.name, message.kind)
        publish(self._client, name, message.payload, retain=message.kind in ("status", "health"))

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: object
    ) -> None:
        client.subscribe(topic("+", "+", "ack"), qos=QOS)

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
            for each in self._waiting.keys() & set(answer.batches):
                self._count_acknowledged(self._waiting.pop(each))
            self._changed.notify_all()

    def _count_acknowledged(self, message: SimulatedMessage) -> None:
        self._progress_at = monotonic()
        self.sent.rows += message.rows
        self.sent.events += message.rows if message.kind == "event" else 0
