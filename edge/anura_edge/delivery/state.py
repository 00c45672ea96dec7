"""The rules of delivery over one connection, without I/O and without a clock.

`DeliveryState.on(event, now_s)` returns the actions that follow from an event. The publisher carries them out in order
and passes each reply back before the next event.

    event or reply        actions that may follow
    Tick                  Disconnect if the broker is silent; MarkDelivered; DeadLetter; then the next step of sending
    HeadRead, RowsRead    the next step of sending
    BatchPublished        the next step of sending
    BatchTooLarge         Publish of one half, or DeadLetter
    PubackReceived        MarkDelivered if the broker's answer is enough; DeadLetter if the batch is refused
    Ack                   RememberBase, MarkDelivered
    Refusal               DeadLetter
    MarkedDelivered       none
    DiskFull              none: a later Tick marks the rows again
    Closed                DeadLetter, Disconnect

The next step of sending is one read, one Publish, or nothing if too much is in flight. `RowStates` holds the states of
rows, `SendQueue` the order of sending, `PoisonRowFinder` the search for a row that is refused.

A row is marked as delivered when the base station names its batch in an acknowledgement, or, with `mqtt.delivery:
broker`, at the broker's PUBACK. A row that is refused several times becomes a dead letter, but only while other rows
of its topic are accepted: a receiver that accepts no row has a fault of its own, and then all rows wait.

The first base station that acknowledges a row is remembered. Answers of another one change nothing: it may be a second
base station on the same broker, and rows must not be divided between the two. With a key, answers without its MAC
change nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from anura_edge import wire
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
    ReadRows,
    RememberBase,
    Reply,
    RowSource,
    RowsRead,
)
from anura_edge.delivery.events import Closed, PubackReceived
from anura_edge.delivery.poison_rows import PoisonRowFinder
from anura_edge.delivery.row_states import RowStates
from anura_edge.delivery.send_order import SendQueue

MAX_IN_FLIGHT = 20
"""Messages without a PUBACK. paho holds them in memory."""

MAX_IN_FLIGHT_BYTES = 48_000
"""Bytes that may wait before a new event: six seconds at 64 kbit/s."""

MAX_UNACKNOWLEDGED_ROWS = 2_000
"""The number of rows by which the backlog may be ahead of the base station."""

MAX_BATCHES = 4_096
"""The number of batches that are stored to find those that an answer names."""

MAX_RESEND_S = 3_600.0

MARK_RETRY_S = 30.0
"""The time after which rows are marked again, if the disk was full."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed, or new rows were written."""


@dataclass(frozen=True, slots=True)
class OtherMessage:
    """The broker sent something that is not about rows."""


Event = Tick | OtherMessage | Closed | PubackReceived | wire.Ack | wire.Refusal | Reply


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the journal, and what it knows of the base station."""

    journal: UUID
    base: UUID | None = None
    """The base station that acknowledged rows before."""
    key: bytes | None = None
    """The key with which the base station signs its answers."""


@dataclass(frozen=True, slots=True)
class _TopicPause:
    """Rows of one topic are not accepted."""

    reason: str
    pause_s: float
    retry_at_s: float | None
    """The time of the next attempt. None while one batch is the attempt."""


class DeliveryState:
    """State of the delivery over one connection."""

    def __init__(self, sender: Sender, mqtt: MqttSettings, poison_rows: PoisonRowFinder, now_s: float) -> None:
        """`poison_rows` is shared by all connections. `now_s` is monotonic time, as in `on`."""
        self._sender, self._mqtt, self._poison_rows = sender, mqtt, poison_rows
        self._rows = RowStates()
        self._queue = SendQueue()
        self._in_flight: dict[int, BatchPublished] = {}
        """Batches without a PUBACK, by message id."""
        self._batches: dict[str, BatchPublished] = {}
        """The last batches, by digest."""
        self._blocks: dict[str, _TopicPause] = {}
        """By topic."""
        self._now_s = self._progress_s = self._message_s = self._retried_s = now_s
        self._mark_at_s = 0.0
        self._resend_s = mqtt.resend_s
        self._disk_full: str | None = None
        self._unanswered: str | None = None
        self._ignored: str | None = None
        """Why answers were ignored."""

    @property
    def problem(self) -> str | None:
        """Why published rows are not acknowledged: they are refused, or the base station does not answer."""
        if self._ignored:
            return self._ignored
        for block in self._blocks.values():
            return block.reason
        for seq, row in self._poison_rows.refused_rows.items():
            return f"row {seq} is refused: {row.reason}"
        return self._disk_full or self._unanswered

    @property
    def is_idle(self) -> bool:
        """Whether, just after a Tick, each row that could be sent is acknowledged: clips may be sent now."""
        return not self._in_flight and not self._rows.sent_count

    def on(self, event: Event, now_s: float) -> list[Action]:
        """Return the actions that follow from an event at a monotonic time."""
        self._now_s = now_s
        match event:
            case Tick():
                return self._tick()
            case HeadRead() | RowsRead():
                return self._read(event)
            case BatchPublished():
                return self._published(event)
            case BatchTooLarge():
                return self._too_large(event)
            case MarkedDelivered() | DiskFull():
                return self._marked(event)
            case _:
                self._message_s = now_s
                return self._message(event)

    def _message(self, event: OtherMessage | Closed | PubackReceived | wire.Ack | wire.Refusal) -> list[Action]:
        match event:
            case PubackReceived(mid) if mid in self._in_flight:
                return self._puback(self._in_flight.pop(mid), event)
            case wire.Ack() | wire.Refusal() if self._is_ignored(event):
                return []
            case wire.Ack() if event.journal == self._sender.journal:
                return self._acknowledged(event)
            case wire.Refusal() if batch := self._batches.pop(event.refused, None):
                return self._refused(batch, f"the base station says: {event.reason}")
            case Closed(reason):
                in_flight = [(batch.topic, batch.seqs) for batch in self._in_flight.values()]
                rejected = self._poison_rows.connection_lost(in_flight, reason)
                return [*(DeadLetter(*each) for each in rejected), Disconnect(reason)]
            case _:
                return []

    # Time

    def _tick(self) -> list[Action]:
        silence_s = 1.5 * self._mqtt.keepalive_s
        if self._in_flight and self._now_s - self._message_s > silence_s:
            return [Disconnect(f"no answer for {silence_s:g} s")]
        if self._rows.sent_count and self._now_s - self._progress_s > self._resend_s:
            self._resend()
        for kind, block in self._blocks.items():
            if block.retry_at_s and self._now_s > block.retry_at_s:
                self._blocks[kind] = replace(block, retry_at_s=None)
                self._queue.restart()
        if self._now_s - self._retried_s > self._resend_s:
            self._retried_s = self._now_s
            self._poison_rows.retry_all()
        self._queue.expect_new()
        return [*self._mark_delivered(), *self._next_step()]

    def _resend(self) -> None:
        """Send all rows that are not acknowledged again, each time later: a link may be paid by the byte."""
        self._unanswered = f"no acknowledgement from the base station for {self._resend_s:g} s"
        self._rows.resend_all()
        self._queue.restart()
        self._resend_s = min(2 * self._resend_s, MAX_RESEND_S)

    # Sending

    def _next_step(self) -> list[Action]:
        if not self._has_room():
            return []
        if self._poison_rows.groups:
            return [ReadRows(RowSource.SUSPECT, self._poison_rows.next_group())]
        if rows := self._queue.next_batch(self._may_send):
            return [Publish(rows)]
        read = self._queue.next_read(with_backlog=self._rows.sent_count < MAX_UNACKNOWLEDGED_ROWS)
        return [read] if read else []

    def _has_room(self) -> bool:
        if self._poison_rows.is_searching:
            return not self._in_flight
        size_bytes = sum(batch.size_bytes for batch in self._in_flight.values())
        return len(self._in_flight) < MAX_IN_FLIGHT and size_bytes < MAX_IN_FLIGHT_BYTES

    def _may_send(self, row: wire.QueuedRow) -> bool:
        if not self._rows.may_publish(row.seq) or self._poison_rows.is_waiting(row.seq):
            return False
        block = self._blocks.get(row.topic)
        has_attempt = any(batch.topic == row.topic for batch in self._in_flight.values())
        return not block or (block.retry_at_s is None and not has_attempt)

    def _read(self, reply: HeadRead | RowsRead) -> list[Action]:
        if isinstance(reply, HeadRead):
            self._queue.set_head(reply)
        elif reply.request.source is not RowSource.SUSPECT:
            self._queue.add(reply)
        elif reply.rows:
            return [Publish(reply.rows)]
        else:  # the rows were delivered meanwhile
            self._poison_rows.passed(self._poison_rows.testing)
        return self._next_step()

    def _published(self, batch: BatchPublished) -> list[Action]:
        if not self._rows.sent_count:
            self._progress_s = self._now_s
        if not self._in_flight:
            self._message_s = self._now_s
        self._in_flight[batch.mid] = self._batches[batch.digest] = batch
        if len(self._batches) > MAX_BATCHES:
            self._batches.pop(next(iter(self._batches)))
        self._rows.publish(batch.seqs)
        return self._next_step()

    def _too_large(self, batch: BatchTooLarge) -> list[Action]:
        if len(batch.rows) > 1:
            half = len(batch.rows) // 2
            self._queue.put_back(batch.rows[half:])
            return [Publish(batch.rows[:half])]
        reason = f"{batch.size_bytes} bytes are more than the broker's max_packet_size"
        (row,) = batch.rows
        return [*self._reject(row.topic, [row.seq], reason), *self._next_step()]

    # Answers of the broker and of the base station

    def _puback(self, batch: BatchPublished, answer: PubackReceived) -> list[Action]:
        if answer.accepted:
            self._poison_rows.passed(batch.seqs)
            if self._blocks.pop(batch.topic, None):
                self._queue.restart()
            return self._delivered([batch], batch.seqs) if self._mqtt.delivery == "broker" else []
        if answer.blames_row:
            return self._refused(batch, answer.reason)
        self._poison_rows.passed(batch.seqs)
        self._rows.resend(batch.seqs)
        self._block(batch.topic, f"the broker does not pass our rows on: {answer.reason}")
        return []

    def _block(self, topic: str, reason: str) -> None:
        block = self._blocks.get(topic) or _TopicPause(reason, self._mqtt.resend_s / 2, None)
        if block.retry_at_s is None:
            pause_s = min(2 * block.pause_s, MAX_RESEND_S)
            block = replace(block, pause_s=pause_s, retry_at_s=self._now_s + pause_s)
        self._blocks[topic] = block

    def _is_ignored(self, answer: wire.Ack | wire.Refusal) -> bool:
        if self._sender.key and not answer.is_signed(self._sender.key):
            self._ignored = "an answer without a right MAC was ignored; check mqtt.ack_key_file"
        elif self._sender.base not in (None, answer.base):
            self._ignored = (
                f"the base station {answer.base} answers, but our rows belong to {self._sender.base}; stop one of them,"
                " or run `anura-edge base accept`"
            )
        else:
            return False
        return True

    def _acknowledged(self, ack: wire.Ack) -> list[Action]:
        batches = [self._batches.pop(digest) for digest in ack.batches if digest in self._batches]
        received = self._rows.unacknowledged(seq for batch in batches for seq in batch.seqs)
        lost = self._rows.lost(received, {seq for batch in self._in_flight.values() for seq in batch.seqs})
        actions = self._delivered(batches, received)
        if received and not self._sender.base:
            self._sender = replace(self._sender, base=ack.base)
            actions = [RememberBase(ack.base), *actions]
        if lost:  # A row that arrives twice is stored once.
            self._rows.resend(lost)
            self._queue.request(lost)
        return actions

    def _delivered(self, batches: Sequence[BatchPublished], seqs: Collection[int]) -> list[Action]:
        for batch in batches:
            self._poison_rows.acknowledged(batch.topic, batch.seqs)
        if not seqs:
            return []
        self._rows.acknowledge(seqs)
        self._progress_s = self._now_s
        self._resend_s = self._mqtt.resend_s
        self._unanswered = None
        return [*self._mark_delivered()]

    def _mark_delivered(self) -> Sequence[Action]:
        is_due = self._rows.delivered and self._now_s >= self._mark_at_s
        return [MarkDelivered(self._rows.delivered)] if is_due else []

    def _marked(self, reply: MarkedDelivered | DiskFull) -> list[Action]:
        if isinstance(reply, MarkedDelivered):
            self._rows.recorded(reply.seqs)
            self._disk_full = None
        else:
            self._disk_full = reply.reason
            self._mark_at_s = self._now_s + MARK_RETRY_S
        return []

    def _refused(self, batch: BatchPublished, reason: str) -> list[Action]:
        self._rows.resend(batch.seqs)
        return self._reject(batch.topic, batch.seqs, reason)

    def _reject(self, topic: str, seqs: Sequence[int], reason: str) -> list[Action]:
        """Find the row that is at fault. If all rows of the topic are refused, the fault is not in the rows."""
        rejected = self._poison_rows.refused(topic, seqs, reason)
        if self._poison_rows.give_up(topic):
            self._block(topic, f"all rows are refused: {reason}")
        return [DeadLetter(*each) for each in rejected]
