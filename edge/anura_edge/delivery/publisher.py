"""Carries out the actions of `DeliveryState`: reads the journal, encodes batches and publishes them."""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

from anura_edge import wire
from anura_edge.config.device import DeviceSettings
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.actions import (
    Action,
    BatchPublished,
    BatchTooLarge,
    DeadLetter,
    Disconnect,
    DiskFull,
    HeadRead,
    MarkDelivered,
    MarkedDelivered,
    Publish,
    ReadHead,
    ReadPending,
    ReadRows,
    RememberBase,
    Reply,
    RowsRead,
)
from anura_edge.delivery.connection import MqttConnection
from anura_edge.delivery.events import AckReceived, Closed, ConnectionEvent, PubackReceived
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.state import DeliveryState, Event, OtherMessage, Sender, Tick
from anura_edge.errors import DeliveryError, JournalFullError
from anura_edge.store.journal import Journal

log = logging.getLogger(__name__)

MAX_BATCH_BYTES = 32_000
"""A batch of this size passes a slow link within one keepalive interval."""

MIN_PACKET_BYTES = 1_024
"""A broker with a smaller limit would make dead letters of ordinary rows."""

_HEADER_BYTES = 128
"""Room for MQTT's header, the longest topic and the properties of a publish. They take up to 110 bytes."""


class RowPublisher:
    """Sends the rows that wait in the journal over one connection."""

    def __init__(
        self,
        journal: Journal,
        device: DeviceSettings,
        mqtt: MqttSettings,
        connection: MqttConnection,
        max_packet_bytes: int,
        poison_rows: PoisonRowFinder,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Raise DeliveryError if the broker accepts only very small packets."""
        if max_packet_bytes < MIN_PACKET_BYTES:
            raise DeliveryError(f"its max_packet_size is {max_packet_bytes}; raise it to {MIN_PACKET_BYTES} or more")
        self._journal, self._connection, self._clock = journal, connection, clock
        self._listening = {device.owner}
        self._max_payload_bytes = min(max_packet_bytes - _HEADER_BYTES, wire.MAX_PAYLOAD_BYTES)
        # A plain subscriber reads JSON. Our own base station reads both.
        self._is_compressed = mqtt.delivery == "base"
        sender = Sender(journal.id, journal.outbox.base(), mqtt.ack_key())
        self._state = DeliveryState(sender, mqtt, poison_rows, clock())

    @property
    def problem(self) -> str | None:
        """Why published rows are not acknowledged; None when all is well."""
        return self._state.problem

    @property
    def is_idle(self) -> bool:
        """Whether, just after `send`, each row that could be sent is acknowledged."""
        return self._state.is_idle

    def send(self) -> None:
        """Publish as many batches as may be in flight.

        Raises DeliveryError when the broker is silent.
        """
        self._apply(Tick())

    def handle(self, event: ConnectionEvent | None) -> None:
        """Act on what happened on the connection.

        Raises DeliveryError when the connection has ended, or must end.
        """
        match event:
            case None:
                return
            case AckReceived(payload):
                self._apply(_parse_answer(payload))
            case Closed() | PubackReceived():
                self._apply(event)
            case _:
                self._apply(OtherMessage())

    def _apply(self, event: Event) -> None:
        actions = deque(self._state.on(event, self._clock()))
        while actions:
            if reply := self._perform(actions.popleft()):
                actions.extend(self._state.on(reply, self._clock()))

    def _perform(self, action: Action) -> Reply | None:
        match action:
            case ReadHead(newest_events):
                return HeadRead(self._journal.outbox.head(), self._journal.outbox.newest_events(newest_events))
            case ReadRows(_, seqs):
                return RowsRead(action, self._journal.outbox.rows(seqs))
            case ReadPending(_, after_seq, limit):
                return RowsRead(action, self._journal.outbox.pending(after_seq, limit))
            case Publish(rows):
                return self._publish(rows)
            case MarkDelivered(seqs):
                return self._mark_delivered(seqs)
            case DeadLetter(seq, reason):
                log.warning("row %d is moved to the dead letters: %s", seq, reason)
                self._journal.dead_letter(seq, reason)
                return None
            case RememberBase(base):
                with suppress(JournalFullError):  # then the next acknowledgement is remembered
                    self._journal.outbox.remember_base(base)
                return None
            case Disconnect(reason):
                raise DeliveryError(reason)

    def _publish(self, rows: Sequence[wire.QueuedRow]) -> BatchPublished | BatchTooLarge:
        payload = wire.batch(self._journal.id, self._journal.outbox.floor(), [each.row for each in rows])
        payload = wire.pack(payload) if self._is_compressed else payload
        # A single row may be larger than a batch, but the broker would end the connection at a larger packet.
        limit_bytes = self._max_payload_bytes if len(rows) == 1 else min(MAX_BATCH_BYTES, self._max_payload_bytes)
        if len(payload) > limit_bytes:
            return BatchTooLarge(rows, len(payload))
        self._listen(rows[0].owner)
        topic = rows[0].topic
        mid = self._connection.publish(topic, payload)
        return BatchPublished(mid, topic, tuple(row.seq for row in rows), wire.digest(payload), len(payload))

    def _listen(self, owner: wire.Owner) -> None:
        """Receive the acknowledgements for rows of another site or device, before the first of them is sent."""
        if owner not in self._listening:
            self._listening.add(owner)
            self._connection.subscribe(wire.topic(*owner, "ack"))

    def _mark_delivered(self, seqs: frozenset[int]) -> MarkedDelivered | DiskFull:
        try:
            self._journal.outbox.mark_delivered(seqs)
        except JournalFullError as error:
            return DiskFull(str(error))
        return MarkedDelivered(seqs)


def _parse_answer(payload: bytes) -> wire.Ack | wire.Refusal | OtherMessage:
    try:
        return wire.parse_answer(payload)
    except DeliveryError as error:
        log.warning("ignoring an acknowledgement: %s", error)
        return OtherMessage()
