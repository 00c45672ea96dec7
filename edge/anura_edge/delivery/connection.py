"""One MQTT v5 connection, from CONNECT to its end, with paho's pitfalls kept inside.

A link is used once. paho would reconnect by itself, but then sends again what it still holds in memory, beyond its
own in-flight limit; and it queues what is published while it is disconnected. A new client for each connection has
no memory to be wrong about.
"""

import logging
from dataclasses import dataclass
from queue import Empty, Queue
from time import monotonic

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import SecretStr

from anura_edge.config.operation import MqttSettings
from anura_edge.errors import DeliveryError
from anura_edge.wire import content_type

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""For TCP, TLS and CONNACK together."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has let us in."""

    max_packet_bytes: int
    """It would cut the connection at a larger packet, again and again."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Published:
    """The broker has answered a publish."""

    mid: int
    accepted: bool
    """False if it refused the message or had nobody to give it to: MQTT 3.1.1 would call both a success."""
    reason: str
    blames_row: bool
    """The message itself is at fault, not the way to the topic: another message may well pass."""


@dataclass(frozen=True, slots=True)
class AckReceived:
    """An answer of the base station has come."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """The base station wants something."""

    payload: bytes


ConnectionEvent = Connected | Closed | Published | AckReceived | CommandReceived

_MAX_PACKET_BYTES = 268_435_455
"""The protocol's own limit (MQTT 5.0, section 1.5.5)."""

# Reason codes (MQTT 5.0, section 3.4.2.1).
_NO_MATCHING_SUBSCRIBERS = 0x10
_BLAMES_ROW = (0x80, 0x83, 0x99)
"""Unspecified error, implementation specific error, payload format invalid."""


class MqttConnection:
    """A connection to the broker. Callbacks run in paho's thread: they leave a note and return."""

    def __init__(
        self,
        mqtt: MqttSettings,
        password: SecretStr | None,
        client_id: str,
        *,
        will: tuple[str, bytes],
        subscribe: str,
        commands: str | None = None,
    ) -> None:
        """`subscribe` is the topic of answers, without which there is no use in a connection; `commands` may fail."""
        self._mqtt, self._subscription, self._commands = mqtt, subscribe, commands
        self.notes: Queue[ConnectionEvent | None] = Queue()
        """What happened, in order; None is anybody's nudge."""
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False, manual_ack=False
        )
        self._client.connect_timeout = TIMEOUT_S
        self._client.will_set(will[0], will[1], qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        if mqtt.username:
            self._client.username_pw_set(mqtt.username, password.get_secret_value() if password else None)
        if mqtt.ca_file:
            self._client.tls_set(str(mqtt.ca_file))

    def open(self) -> Connected:
        """Connect, and wait until the broker has let us in.

        Raises DeliveryError if it does not, OSError if it cannot be reached.
        """
        # paho asks after one keepalive of silence and gives up after two; at three quarters it gives up after 1.5, as
        # a broker does (MQTT 5.0, section 3.1.2.10).
        keepalive_s = max(1, self._mqtt.keepalive_s * 3 // 4)
        self._client.connect(self._mqtt.host, self._mqtt.port, keepalive_s, clean_start=True)
        self._client.loop_start()
        deadline = monotonic() + TIMEOUT_S
        note = None
        while note is None and (left := deadline - monotonic()) > 0:  # a nudge is no answer
            note = self.next(left)
        if not isinstance(note, Connected):
            raise DeliveryError(note.reason if isinstance(note, Closed) else f"no answer for {TIMEOUT_S:g} s")
        self._client.subscribe([(name, 1) for name in (self._subscription, self._commands) if name])
        return note

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expires_s: int | None = None) -> int:
        """Hand over a message; the number comes back in a Published note."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = content_type(payload)
        if expires_s is not None:
            properties.MessageExpiryInterval = expires_s
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid

    def next(self, timeout_s: float) -> ConnectionEvent | None:
        """Return the next note, or None when nothing has happened for a while or somebody nudged."""
        try:
            return self.notes.get(timeout=timeout_s)
        except Empty:
            return None

    def close(self) -> None:
        """End the connection, if it is not over already; the broker does not send the will."""
        self._client.disconnect()
        self._client.loop_stop()
        # paho closes its sockets when it is deleted, which is now if we do not hold each other.
        for name in ("on_connect", "on_disconnect", "on_subscribe", "on_publish", "on_message"):
            setattr(self._client, name, None)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.notes.put(Closed(f"the broker refuses us: {reason}"))
        else:
            self.notes.put(Connected(getattr(properties, "MaximumPacketSize", _MAX_PACKET_BYTES)))

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self.notes.put(Closed(f"connection lost: {reason}"))

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if reasons[0].is_failure:
            self.notes.put(
                Closed(f"we may not read {self._subscription}: {reasons[0]}; check the broker's access rules")
            )
        elif reasons[-1].is_failure:
            log.warning("we may not read %s: %s; no clip can be asked for", self._commands, reasons[-1])

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        accepted = not reason.is_failure and reason.value != _NO_MATCHING_SUBSCRIBERS
        self.notes.put(Published(mid, accepted, str(reason), reason.value in _BLAMES_ROW))

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        kind = CommandReceived if message.topic == self._commands else AckReceived
        self.notes.put(kind(bytes(message.payload)))
