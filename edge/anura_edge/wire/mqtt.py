"""MQTT 5 clients and publishes, set up in one way for the device, the base station and the simulator.

This module is not imported by `anura_edge.wire`: a command that needs no broker does not load paho.
"""

from pathlib import Path

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pydantic import SecretStr

from anura_edge.errors import ConfigError
from anura_edge.wire.batches import content_type

QOS = 1
"""At least once. Receivers recognise what arrives twice."""


def make_client(
    client_id: str = "",
    username: str | None = None,
    password: SecretStr | None = None,
    ca_file: Path | None = None,
    *,
    certificate: tuple[Path, Path] | None = None,
    reconnects: bool = True,
) -> Client:
    """Return a client that is not connected. `ca_file` turns on TLS. An empty `client_id` makes paho invent one.

    `certificate` has the files of our own certificate and its key, for a broker that demands them. Raises ConfigError
    if a file cannot be used.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        protocol=MQTTProtocolVersion.MQTTv5,
        reconnect_on_failure=reconnects,
    )
    if username:
        client.username_pw_set(username, password.get_secret_value() if password else None)
    if ca_file:
        own, key = map(str, certificate) if certificate else (None, None)
        try:
            client.tls_set(str(ca_file), own, key)
        except OSError as error:
            files = ", ".join(map(str, (ca_file, *(certificate or ()))))
            raise ConfigError(f"mqtt.ca_file: cannot use {files}: {error}; give PEM files") from error
    return client


def publish(
    client: Client, topic: str, payload: bytes, *, retain: bool = False, expires_s: int | None = None
) -> MQTTMessageInfo:
    """Publish a payload with its content type. The broker deletes a retained message after `expires_s`."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = content_type(payload)
    if expires_s is not None:
        properties.MessageExpiryInterval = expires_s
    return client.publish(topic, payload, qos=QOS, retain=retain, properties=properties)
