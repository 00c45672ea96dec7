"""Defines the inputs of the delivery: what happens on an MQTT connection, as immutable values."""

from dataclasses import dataclass

from anura_edge.wire import Command


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted the connection."""

    max_packet_bytes: int
    """The broker ends the connection at a larger packet."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class PubackReceived:
    """The broker answered a publish (PUBACK)."""

    mid: int
    """Message id, as `MqttConnection.publish` returned it."""
    accepted: bool
    """False if the broker refused the message or had no subscriber for it. MQTT 3.1.1 reports a success for both."""
    reason: str
    blames_row: bool
    """The message itself is at fault, not the topic: the broker may accept another message on this topic."""


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The base station sent a message on `ack`."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """The base station sent a message on `cmd`."""

    command: Command


ConnectionEvent = Connected | Closed | PubackReceived | AckReceived | CommandReceived
