"""The connection to the MQTT broker. Its callbacks run in paho's network thread, so they never block."""

import logging
import secrets
import threading
from datetime import UTC, datetime

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from anura_base.config.settings import MqttSettings
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_edge.config.yaml_loader import read_password
from anura_edge.errors import DeliveryError
from anura_edge.wire import MAX_PAYLOAD_BYTES, Kind, topic
from anura_edge.wire.mqtt import QOS, make_client, publish

log = logging.getLogger(__name__)

KINDS: tuple[Kind, ...] = ("event", "effort", "notice", "status", "health", "clip", "update")
DEFAULT_CLIENT_ID = "anura-base"
KEEPALIVE_S = 30
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long the broker stores our subscription and messages for it while we are disconnected."""

MAX_PACKET_BYTES = 2 * MAX_PAYLOAD_BYTES
"""More than the wire format allows, so that a message that is too large becomes a dead letter with a reason. The broker
drops larger packets, so a hostile device cannot fill our memory."""

MAX_RECONNECT_DELAY_S = 30

SESSION_TAKEN_OVER = "Session taken over"
"""Reason of a disconnection by a second client of the same name (MQTT 5.0, section 4.13)."""


class Subscriber:
    """Receives the messages of all devices. Without a broker it tries to connect for ever.

    No row is lost although paho sends its PUBACK before the row is in the database: a PUBACK only frees a slot of the
    messages in flight. A device deletes a row after our own acknowledgement, which is sent after the commit.
    """

    def __init__(self, settings: MqttSettings, queue: IngestQueue) -> None:
        self._queue = queue
        self._address = f"{settings.host}:{settings.port}"
        self._subscribed = threading.Event()
        self._outage_logged = False
        self._dropped = 0
        self._client = _client(settings)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    @property
    def connected(self) -> bool:
        """Whether messages can arrive: connected and subscribed."""
        return self._subscribed.is_set()

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._client.loop_start()

    def stop(self) -> None:
        """Send what was published, and disconnect. The broker keeps the session."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, name: str, payload: bytes) -> None:
        """Publish an acknowledgement, if there is a connection.

        Without a connection it is dropped, because paho would collect it in memory. The device sends its rows again,
        and they are acknowledged again.
        """
        if self.connected:
            publish(self._client, name, payload)

    def publish_and_wait(self, name: str, payload: bytes, timeout_s: float, *, retain: bool = False) -> None:
        """Publish a message, and return when the broker has confirmed it.

        Raises DeliveryError without a confirmation.
        """
        if not self.connected:
            raise DeliveryError("there is no connection to the broker")
        sent = publish(self._client, name, payload, retain=retain)
        try:
            sent.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(f"the broker did not accept the message: {error}") from error
        if not sent.is_published():
            raise DeliveryError(f"the broker did not answer within {timeout_s:.0f} s")

    def _on_connect(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._log_outage(f"refused the connection: {reason}")
        else:
            options = SubscribeOptions(qos=QOS)
            # Answers of other base stations: our own are not sent to us.
            answers = (topic("+", "+", "ack"), SubscribeOptions(qos=0, noLocal=True))
            client.subscribe([*((topic("+", "+", kind), options) for kind in KINDS), answers])

    def _on_connect_fail(self, _client: Client, _userdata: object) -> None:
        self._log_outage("cannot be reached")

    def _on_subscribe(
        self, _client: Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._log_outage(f"refused the subscription: {reasons[0]}; check the broker's access rules")
            return
        self._subscribed.set()
        self._outage_logged = False
        log.info("connected to the broker at %s", self._address)

    def _on_disconnect(
        self, _client: Client, _userdata: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        self._subscribed.clear()
        if reason == SESSION_TAKEN_OVER:
            self._log_outage(
                "closed the connection, because another client has the same mqtt.client_id; two base stations"
                " must not share it"
            )
        elif reason.is_failure:
            self._log_outage(f"closed the connection: {reason}")

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        raw = RawMessage(message.topic, bytes(message.payload), message.retain, datetime.now(UTC))
        if not self._queue.offer(raw):
            # Not acknowledged, so the device sends it again. To wait here would stop the keepalive.
            self._dropped += 1
            if self._dropped == 10 ** (len(str(self._dropped)) - 1):  # log 1, 10, 100, ..., so a flood fills no log
                log.warning(
                    "overloaded: dropped %d messages so far, the last on %s", self._dropped, message.topic[:200]
                )

    def _log_outage(self, reason: str) -> None:
        if not self._outage_logged:
            self._outage_logged = True
            log.warning("the broker at %s %s; trying again until it answers", self._address, reason)


def _client(settings: MqttSettings) -> Client:
    password = read_password(settings.password_file) if settings.username and settings.password_file else None
    client = make_client(settings.client_id or DEFAULT_CLIENT_ID, settings.username, password, settings.ca_file)
    # Random, because all devices lost the broker at the same moment and reconnect, too.
    client.reconnect_delay_set(1 + secrets.randbelow(3), MAX_RECONNECT_DELAY_S)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    client.connect_async(settings.host, settings.port, KEEPALIVE_S, clean_start=False, properties=properties)
    return client
