"""What was sent over one connection, what became of it, and what is sent next.

A row leaves the queue when the base station names it as come, and only if it was sent over this connection: a base may
count numbers that a journal which was restored from a backup gives to other rows. A row that is refused again and again
is set aside, but only by somebody who takes other rows: who takes none refuses us, not a row, and then all rows wait.
"""

import logging
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic

from anura_edge import wire
from anura_edge.config.device import Config
from anura_edge.config.operation import MqttSettings
from anura_edge.delivery.connection import AckReceived, Closed, ConnectionEvent, MqttConnection, Published
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.send_order import SendQueue
from anura_edge.errors import DeliveryError, JournalFullError
from anura_edge.store.journal import Journal
from anura_edge.wire import Row, Span

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 20
"""Messages without a PUBACK; paho keeps them in memory."""

MAX_IN_FLIGHT_BYTES = 48_000
"""What lies in buffers before a new alert: six seconds at 64 kbit/s."""

MAX_BATCH_BYTES = 32_000
"""Passes a thin link within a keepalive."""

MIN_PACKET_BYTES = 1_024
"""A broker that takes less would have ordinary rows set aside."""

MAX_UNACKNOWLEDGED_ROWS = 2_000
"""How far the backlog runs ahead of the base station."""

MAX_BATCHES = 512
"""So many batches are remembered for a refusal of the base station."""

MAX_REFUSED_IN_A_ROW = 3
"""So many rows are set aside before another must be taken: then it is not the rows."""

_HEADER_BYTES = 128
"""Room for MQTT's own header, the longest topic and the properties of a publish: they take up to 110."""

MAX_RESEND_S = 3_600.0

SETTLE_AGAIN_S = 30.0
"""How long a full disk is left alone before it is tried again."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of one kind, as they were sent."""

    kind: str
    seqs: tuple[int, ...]
    digest: str
    size: int


@dataclass(slots=True)
class _Block:
    """The broker does not pass rows of one kind on."""

    reason: str
    pause_s: float
    until: float | None
    """When to try again; None while one batch tries."""


class RowPublisher:
    """Sends what waits in the journal over one connection."""

    def __init__(
        self,
        journal: Journal,
        config: Config,
        mqtt: MqttSettings,
        link: MqttConnection,
        max_packet_bytes: int,
        poison_rows: PoisonRowFinder,
    ) -> None:
        """Raise DeliveryError if the broker takes too small packets."""
        if max_packet_bytes < MIN_PACKET_BYTES:
            raise DeliveryError(f"its max_packet_size is {max_packet_bytes}; raise it to {MIN_PACKET_BYTES} or more")
        self._journal, self._device, self._mqtt, self._link = journal, config.device, mqtt, link
        self._max_payload_bytes = min(max_packet_bytes - _HEADER_BYTES, wire.MAX_PAYLOAD_BYTES)
        self._queue = SendQueue(journal)
        self._in_flight: dict[int, _Batch] = {}
        self._batches: dict[str, _Batch] = {}
        self._sent: dict[int, int] = {}
        """Rows on their way, with the place of their batch in the order of sending."""
        self._earlier: set[int] = set()
        """Rows that were on their way when all was sent again."""
        self._delivered: set[int] = set()
        """Rows that the base has, while the disk is too full to note it."""
        self._full: str | None = None
        self._settle_at = 0.0
        self._order = 0
        self._blocks: dict[str, _Block] = {}
        self._poison_rows = poison_rows
        self._progress_at = self._heard_at = monotonic()
        self._resend_s = mqtt.resend_s
        self._unanswered: str | None = None
        self._dead_letter()

    @property
    def problem(self) -> str | None:
        """Why what was sent is not acknowledged: it is refused, or the base station is silent."""
        for seq, reason in self._poison_rows.rejected.items():
            return f"row {seq} is refused: {reason}"
        for block in self._blocks.values():
            return f"the broker does not pass our rows on: {block.reason}"
        return self._full or self._unanswered

    @property
    def is_idle(self) -> bool:
        """Whether, just after `send`, all that could be sent has come; the link is free for what is no row."""
        return not self._in_flight and not self._sent

    def send(self) -> None:
        """Hand over as many batches as may be on their way.

        Raises DeliveryError when the broker is silent.
        """
        now = monotonic()
        if self._in_flight and now - self._heard_at > 1.5 * self._mqtt.keepalive_s:
            raise DeliveryError(f"no answer for {1.5 * self._mqtt.keepalive_s:g} s")
        if self._sent and now - self._progress_at > self._resend_s:
            self._repeat()
        self._note_delivered()
        for block in self._blocks.values():
            if block.until and now > block.until:
                block.until = None
                self._queue.rewind()
        while self._has_room() and (rows := self._next()):
            self._publish(rows)

    def take(self, note: ConnectionEvent | None) -> None:
        """Act on what happened.

        Raises DeliveryError when the connection is over.
        """
        if note:
            self._heard_at = monotonic()
        match note:
            case Closed(reason):
                self._poison_rows.hung_up([batch.seqs for batch in self._in_flight.values()], reason)
                raise DeliveryError(reason)
            case Published(mid) if mid in self._in_flight:
                self._at_broker(self._in_flight.pop(mid), note)
            case AckReceived(payload):
                self._at_base(payload)

    def _next(self) -> Sequence[Row]:
        while self._poison_rows.groups:
            if rows := self._journal.rows(self._poison_rows.next()):
                return rows
            self._poison_rows.taken(self._poison_rows.testing)  # it was delivered meanwhile
        return self._queue.next(self._may_go, backlog=len(self._sent) < MAX_UNACKNOWLEDGED_ROWS)

    def _has_room(self) -> bool:
        if self._poison_rows.careful:
            return not self._in_flight
        size = sum(batch.size for batch in self._in_flight.values())
        return len(self._in_flight) < MAX_IN_FLIGHT and size < MAX_IN_FLIGHT_BYTES

    def _may_go(self, row: Row) -> bool:
        if row.seq in self._sent or row.seq in self._delivered or row.seq in self._poison_rows.rejected:
            return False
        block = self._blocks.get(row.kind)
        tries = any(batch.kind == row.kind for batch in self._in_flight.values())
        return not block or (block.until is None and not tries)

    def _repeat(self) -> None:
        """Send all that is pending again, and less and less often: a link may be paid by the byte."""
        self._unanswered = f"no acknowledgement from the base station for {self._resend_s:g} s"
        self._earlier |= self._sent.keys()
        self._sent.clear()
        self._queue.rewind()
        self._resend_s = min(2 * self._resend_s, MAX_RESEND_S)

    def _publish(self, rows: Sequence[Row]) -> None:
        payload = self._encode(rows)
        while len(payload) > min(MAX_BATCH_BYTES, self._max_payload_bytes) and len(rows) > 1:
            half = len(rows) // 2
            self._queue.put_back(rows[half:])
            rows = rows[:half]
            payload = self._encode(rows)
        if len(payload) > self._max_payload_bytes:  # the broker would cut the connection at it, again and again
            self._poison_rows.taken([rows[0].seq])
            self._poison_rows.rejected[rows[0].seq] = f"{len(payload)} bytes are more than the broker's max_packet_size"
            self._dead_letter()
            return
        if not self._sent:
            self._progress_at = monotonic()
        if not self._in_flight:
            self._heard_at = monotonic()
        mid = self._link.publish(wire.topic(self._device.site, self._device.name, rows[0].kind), payload)
        batch = _Batch(rows[0].kind, tuple(row.seq for row in rows), wire.digest(payload), len(payload))
        self._in_flight[mid] = self._batches[batch.digest] = batch
        if len(self._batches) > MAX_BATCHES:
            self._batches.pop(next(iter(self._batches)))
        self._order += 1
        self._sent |= dict.fromkeys(batch.seqs, self._order)

    def _encode(self, rows: Sequence[Row]) -> bytes:
        payload = wire.batch(self._journal.id, self._journal.floor(), rows)
        # A plain subscriber reads JSON; our own base station reads both.
        return wire.pack(payload) if self._mqtt.delivery == "base" else payload

    def _at_broker(self, batch: _Batch, answer: Published) -> None:
        if answer.accepted:
            self._poison_rows.taken(batch.seqs)
            if self._blocks.pop(batch.kind, None):
                self._queue.rewind()
            if self._mqtt.delivery == "broker":
                self._settle(batch.seqs)
        elif answer.blames_row:
            self._refused(batch, answer.reason)
        else:
            self._poison_rows.taken(batch.seqs)
            self._forget(batch.seqs)
            if not (block := self._blocks.get(batch.kind)):
                block = self._blocks[batch.kind] = _Block(answer.reason, self._mqtt.resend_s / 2, None)
            if block.until is None:
                block.pause_s = min(2 * block.pause_s, MAX_RESEND_S)
                block.until = monotonic() + block.pause_s

    def _at_base(self, payload: bytes) -> None:
        try:
            answer = wire.parse_answer(payload)
        except DeliveryError as error:
            log.warning("ignoring an acknowledgement: %s", error)
            return
        if isinstance(answer, wire.Refusal):
            if batch := self._batches.pop(answer.refused, None):
                self._refused(batch, f"the base station says: {answer.reason}")
        elif answer.journal == self._journal.id:
            self._acknowledged(answer)

    def _acknowledged(self, ack: wire.Ack) -> None:
        came = _within([*self._sent, *self._earlier], ack.received)
        # Messages keep their order, so what was sent before something that came, and is not named, is lost, or its
        # answer is. It is sent again: what comes twice is stored once.
        newest = max((self._sent.get(seq, 0) for seq in came), default=0)
        in_flight = {seq for batch in self._in_flight.values() for seq in batch.seqs}
        lost = sorted(
            seq for seq, order in self._sent.items() if order < newest and seq not in in_flight and seq not in came
        )
        self._settle(came)
        if lost:
            self._forget(lost)
            self._queue.ask(lost)

    def _settle(self, seqs: Collection[int]) -> None:
        if not seqs:
            return
        self._delivered.update(seqs)
        self._note_delivered()
        self._forget(seqs)
        self._earlier.difference_update(seqs)
        self._progress_at = monotonic()
        self._resend_s = self._mqtt.resend_s
        self._unanswered = None
        self._poison_rows.dead_letter_quota = MAX_REFUSED_IN_A_ROW
        self._dead_letter()

    def _note_delivered(self) -> None:
        """Let what was delivered leave the queue. While the disk is full it is kept in mind, and not sent again."""
        if not self._delivered or monotonic() < self._settle_at:
            return
        try:
            self._journal.settle(self._delivered)
        except JournalFullError as error:
            self._full = str(error)
            self._settle_at = monotonic() + SETTLE_AGAIN_S
        else:
            self._delivered.clear()
            self._full = None

    def _forget(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            self._sent.pop(seq, None)

    def _refused(self, batch: _Batch, reason: str) -> None:
        self._forget(batch.seqs)
        self._poison_rows.refused(batch.seqs, reason)
        self._dead_letter()

    def _dead_letter(self) -> None:
        """Set guilty rows aside, as long as others are taken.

        Raises DeliveryError if none is: then it is not the rows.
        """
        guilty = self._poison_rows.rejected
        while self._poison_rows.dead_letter_quota and guilty:
            seq = next(iter(guilty))
            log.warning("row %d is set aside: %s", seq, guilty[seq])
            self._journal.refuse(seq, guilty.pop(seq))
            self._poison_rows.dead_letter_quota -= 1
        if len(guilty) > MAX_REFUSED_IN_A_ROW:
            reason = next(iter(guilty.values()))
            guilty.clear()
            raise DeliveryError(f"all our rows are refused: {reason}")


def _within(seqs: Iterable[int], spans: Iterable[Span]) -> set[int]:
    """Return those of some numbers that lie in one of some spans."""
    ordered = sorted(seqs)
    return {seq for first, last in spans for seq in ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]}
