"""One MQTT 5 connection, from CONNECT to its end.

A `MqttConnection` is used once. paho can reconnect by itself, but then it sends again what it holds in memory, beyond
its own in-flight limit, and it queues messages that are published while it is disconnected. A new client for each
connection has no such memory.
"""

import logging
from queue import Empty, Queue
from time import monotonic

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import SecretStr

from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.events import (
    AckReceived,
    Closed,
    CommandReceived,
    Connected,
    ConnectionEvent,
    PubackReceived,
)
from anura_edge.errors import DeliveryError
from anura_edge.wire import parse_command
from anura_edge.wire.mqtt import QOS, make_client, publish

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""For TCP, TLS and CONNACK together."""

_MAX_PACKET_BYTES = 268_435_455
"""The protocol's own limit (MQTT 5.0, section 1.5.5)."""

# Reason codes (MQTT 5.0, section 3.4.2.1).
_NO_MATCHING_SUBSCRIBERS = 0x10
_BLAMES_ROW = (0x80, 0x83, 0x99)
"""Unspecified error, implementation specific error, payload format invalid."""


class MqttConnection:
    """A connection to the broker. Callbacks run in paho's thread: they queue an event and return."""

    def __init__(
        self,
        mqtt: MqttSettings,
        password: SecretStr | None,
        client_id: str,
        *,
        will: tuple[str, bytes],
        ack_topic: str,
        command_topic: str | None = None,
    ) -> None:
        """`will` is the topic and payload of the last will.

        The connection ends if `ack_topic` cannot be subscribed to, and continues without `command_topic`.
        Raises ConfigError if `mqtt.ca_file` cannot be used.
        """
        self._mqtt, self._ack_topic, self._command_topic = mqtt, ack_topic, command_topic
        self.events: Queue[ConnectionEvent | None] = Queue()
        """What happened, in order. None wakes the thread that reads."""
        self._client = make_client(
            client_id, mqtt.username, password, mqtt.ca_file, certificate=mqtt.certificate, reconnects=False
        )
        self._client.connect_timeout = TIMEOUT_S
        self._client.will_set(will[0], will[1], qos=QOS, retain=True)
        self._has_subscribed = False
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message

    def open(self) -> Connected:
        """Connect, and wait until the broker has accepted the connection.

        Raises DeliveryError if it does not, OSError if it cannot be reached.
        """
        # paho sends a ping after one keepalive without traffic and gives up after two. With three quarters of the
        # interval it gives up after 1.5 intervals, as a broker does (MQTT 5.0, section 3.1.2.10).
        keepalive_s = max(1, self._mqtt.keepalive_s * 3 // 4)
        self._client.connect(self._mqtt.host, self._mqtt.port, keepalive_s, clean_start=True)
        self._client.loop_start()
        deadline_s = monotonic() + TIMEOUT_S
        event = None
        while event is None and (left_s := deadline_s - monotonic()) > 0:  # None only wakes
            event = self.next_event(left_s)
        if not isinstance(event, Connected):
            raise DeliveryError(event.reason if isinstance(event, Closed) else f"no answer for {TIMEOUT_S:g} s")
        self._client.subscribe([(topic, QOS) for topic in (self._ack_topic, self._command_topic) if topic])
        return event

    def subscribe(self, topic: str) -> None:
        """Receive the messages of another topic, too. Without the right to read it, its rows are not acknowledged."""
        self._client.subscribe(topic, QOS)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expires_s: int | None = None) -> int:
        """Publish a message, and return its id. `PubackReceived` names the id later."""
        return publish(self._client, topic, payload, retain=retain, expires_s=expires_s).mid

    def next_event(self, timeout_s: float) -> ConnectionEvent | None:
        """Return the next event, or None after the timeout or when another thread wakes this one."""
        try:
            return self.events.get(timeout=timeout_s)
        except Empty:
            return None

    def wake(self) -> None:
        """Make `next_event` return None."""
        self.events.put(None)

    def close(self) -> None:
        """End the connection if it is still open. The broker does not publish the last will then."""
        self._client.disconnect()
        self._client.loop_stop()
        # paho closes its sockets when it is deleted. That happens now if it and this object do not refer to each other.
        for name in ("on_connect", "on_disconnect", "on_subscribe", "on_publish", "on_message"):
            setattr(self._client, name, None)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.events.put(Closed(f"the broker refuses us: {reason}"))
        else:
            self.events.put(Connected(getattr(properties, "MaximumPacketSize", _MAX_PACKET_BYTES)))

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.events.put(Closed(f"connection lost: {reason}"))

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        is_first, self._has_subscribed = not self._has_subscribed, True  # the broker answers in order
        if reasons[0].is_failure and not is_first:
            log.warning("we may not read the acknowledgements of another site or device: %s", reasons[0])
        elif reasons[0].is_failure:
            self.events.put(Closed(f"we may not read {self._ack_topic}: {reasons[0]}; check the broker's access rules"))
        elif reasons[-1].is_failure:
            log.warning(
                "we may not read %s: %s; the base station can request and send nothing",
                self._command_topic,
                reasons[-1],
            )

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        accepted = not reason.is_failure and reason.value != _NO_MATCHING_SUBSCRIBERS
        self.events.put(PubackReceived(mid, accepted, str(reason), reason.value in _BLAMES_ROW))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic != self._command_topic:
            self.events.put(AckReceived(bytes(message.payload)))
            return
        try:
            self.events.put(CommandReceived(parse_command(bytes(message.payload))))
        except DeliveryError as error:
            log.warning("ignoring a command: %s", error)
