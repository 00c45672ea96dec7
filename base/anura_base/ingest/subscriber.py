"""The connection to the broker. Its callbacks run in paho's network thread, so they only hand over, never wait."""

import logging
import secrets
import threading
from datetime import UTC, datetime

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from anura_base.config.settings import MqttSettings
from anura_base.ingest.ingest_queue import IngestQueue
from anura_base.ingest.messages import RawMessage
from anura_edge.config.yaml_loader import read_password
from anura_edge.errors import ConfigError, DeliveryError
from anura_edge.wire import MAX_PAYLOAD_BYTES, Kind, content_type, topic

log = logging.getLogger(__name__)

KINDS: tuple[Kind, ...] = ("event", "effort", "notice", "status", "health", "clip")
QOS = 1
KEEPALIVE_S = 30
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long the broker keeps our subscription, and what it holds for us, while we are away."""

# A little above what wire refuses, so that an oversized message becomes a dead letter with its reason; beyond that
# the broker drops it, and a hostile one cannot fill our memory.
MAX_PACKET_BYTES = 2 * MAX_PAYLOAD_BYTES

MAX_RECONNECT_DELAY_S = 30


class Subscriber:
    """Receives what every device of every site sends. A broker that is away is not an error: it keeps trying.

    Why nothing is lost although paho sends its PUBACK before the row is in the database: a PUBACK only frees a slot
    in flight. A device forgets a row when our own acknowledgement comes, and that is sent after the commit.
    """

    def __init__(self, settings: MqttSettings, inbox: IngestQueue) -> None:
        self._inbox = inbox
        self._where = f"{settings.host}:{settings.port}"
        self._subscribed = threading.Event()
        self._away_said = False
        self._left_out = 0
        self._client = _client(settings)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    @property
    def connected(self) -> bool:
        """Whether messages can come: connected and subscribed."""
        return self._subscribed.is_set()

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._client.loop_start()

    def stop(self) -> None:
        """Leave, once what was published is on its way. The session stays at the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, name: str, payload: bytes) -> None:
        """Send an acknowledgement, if there is a connection.

        Without one paho would hoard it in memory. It is not needed: the device sends its rows again, and these are
        acknowledged again.
        """
        if not self.connected:
            return
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = content_type(payload)
        self._client.publish(name, payload, qos=QOS, retain=False, properties=properties)

    def publish_and_wait(self, name: str, payload: bytes, timeout_s: float, *, retain: bool = False) -> None:
        """Send a message, and return once the broker has it.

        Raises DeliveryError when it cannot be known to have it.
        """
        if not self.connected:
            raise DeliveryError("there is no connection to the broker")
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = content_type(payload)
        sent = self._client.publish(name, payload, qos=QOS, retain=retain, properties=properties)
        try:
            sent.wait_for_publish(timeout_s)
        except (RuntimeError, ValueError) as error:
            raise DeliveryError(f"the broker did not take it: {error}") from error
        if not sent.is_published():
            raise DeliveryError(f"the broker did not answer within {timeout_s:.0f} s")

    def _on_connect(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            self._say_away(f"refused us: {reason}")
        else:
            options = SubscribeOptions(qos=QOS)
            client.subscribe([(topic("+", "+", kind), options) for kind in KINDS])

    def _on_connect_fail(self, _client: Client, _userdata: object) -> None:
        self._say_away("cannot be reached")

    def _on_subscribe(
        self, _client: Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._say_away(f"refused the subscription: {reasons[0]}; check the broker's access rules")
            return
        self._subscribed.set()
        self._away_said = False
        log.info("connected to the broker at %s", self._where)

    def _on_disconnect(
        self, _client: Client, _userdata: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        self._subscribed.clear()
        if reason.is_failure:
            self._say_away(f"is gone: {reason}")

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        came = RawMessage(message.topic, bytes(message.payload), message.retain, datetime.now(UTC))
        if not self._inbox.offer(came):
            # Not acknowledged, so the device sends it again. Waiting here would stop the keepalive.
            self._left_out += 1
            if self._left_out == 10 ** (len(str(self._left_out)) - 1):  # 1, 10, 100, ...: a flood must not fill the log
                log.warning("busy: left out %d messages so far, the last on %s", self._left_out, message.topic[:200])

    def _say_away(self, why: str) -> None:
        if not self._away_said:
            self._away_said = True
            log.warning("the broker at %s %s; trying again until it answers", self._where, why)


def _client(settings: MqttSettings) -> Client:
    client = Client(CallbackAPIVersion.VERSION2, settings.client_id, protocol=MQTTProtocolVersion.MQTTv5)
    # Not in step with the devices, which all lost the broker at the same moment.
    client.reconnect_delay_set(1 + secrets.randbelow(3), MAX_RECONNECT_DELAY_S)
    if settings.username is not None:
        password = read_password(settings.password_file) if settings.password_file else None
        client.username_pw_set(settings.username, password.get_secret_value() if password else None)
    if settings.ca_file is not None:
        try:
            client.tls_set(str(settings.ca_file))
        except OSError as error:
            raise ConfigError(f"mqtt.ca_file: cannot use {settings.ca_file}: {error}; give a PEM file") from error
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    properties.MaximumPacketSize = MAX_PACKET_BYTES
    client.connect_async(settings.host, settings.port, KEEPALIVE_S, clean_start=False, properties=properties)
    return client
