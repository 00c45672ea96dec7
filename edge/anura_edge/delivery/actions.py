"""What `DeliveryState` asks the publisher to do, and the publisher's replies."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from anura_edge.wire import QueuedRow


class RowSource(Enum):
    """Why rows are read from the journal."""

    SUSPECT = auto()
    """They are sent alone, to find the row that is refused."""
    REQUESTED = auto()
    """They go before all others: the newest events, or rows that were lost."""
    NEW = auto()
    """They were written after the connection began."""
    BACKLOG = auto()
    """They were written before the connection began."""


# Actions. The publisher carries out each one and passes its reply, if it has one, to `DeliveryState.on` immediately.


@dataclass(frozen=True, slots=True)
class ReadHead:
    """Read the highest sequence number and the newest events. The reply is `HeadRead`."""

    newest_events: int
    """The number of events to read."""


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Read those of some rows that wait. The reply is `RowsRead`."""

    source: RowSource
    seqs: Collection[int]


@dataclass(frozen=True, slots=True)
class ReadPending:
    """Read the rows that wait above a sequence number, in order. The reply is `RowsRead`."""

    source: RowSource
    after_seq: int
    limit: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Encode rows of one topic and publish them. The reply is `BatchPublished` or `BatchTooLarge`."""

    rows: Sequence[QueuedRow]


@dataclass(frozen=True, slots=True)
class MarkDelivered:
    """Remove rows from the outbox. The reply is `MarkedDelivered` or `DiskFull`."""

    seqs: frozenset[int]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Move a row from the outbox to the dead letters."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class RememberBase:
    """Store the identity of the base station that acknowledges our rows from now on."""

    base: UUID


@dataclass(frozen=True, slots=True)
class Disconnect:
    """End the connection."""

    reason: str


Action = ReadHead | ReadRows | ReadPending | Publish | MarkDelivered | DeadLetter | RememberBase | Disconnect


# Replies.


@dataclass(frozen=True, slots=True)
class HeadRead:
    """Reply to `ReadHead`."""

    head_seq: int
    """The highest sequence number that was ever used."""
    newest_events: Sequence[int]
    """Sequence numbers of the newest events that wait, in order."""


@dataclass(frozen=True, slots=True)
class RowsRead:
    """Reply to `ReadRows` and `ReadPending`."""

    request: ReadRows | ReadPending
    rows: Sequence[QueuedRow]
    """In the order of their sequence numbers."""


@dataclass(frozen=True, slots=True)
class BatchPublished:
    """Reply to `Publish`: the batch is on its way."""

    mid: int
    """Message id. `PubackReceived` names it when the broker has answered."""
    topic: str
    seqs: tuple[int, ...]
    digest: str
    """See `wire.digest`. `Ack` and `Refusal` name it."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BatchTooLarge:
    """Reply to `Publish`: nothing was sent."""

    rows: Sequence[QueuedRow]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class MarkedDelivered:
    """Reply to `MarkDelivered`."""

    seqs: frozenset[int]


@dataclass(frozen=True, slots=True)
class DiskFull:
    """Reply to `MarkDelivered`: the journal has no room to record it."""

    reason: str


Reply = HeadRead | RowsRead | BatchPublished | BatchTooLarge | MarkedDelivered | DiskFull
