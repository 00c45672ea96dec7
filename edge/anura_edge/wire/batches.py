"""Batches of rows and their acknowledgements: encode and decode."""

import hashlib
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import FailFast, Field

from anura_edge.errors import DeliveryError
from anura_edge.wire.rows import EffortRow, EventRow, NoticeRow, Row
from anura_edge.wire.signed import SignedMessage
from anura_edge.wire.types import JSON_TYPE, SCHEMA, ZLIB_HEAD, ZLIB_TYPE, Count, Message, Span, Text


class _Batch(Message):
    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    journal: UUID
    """Identity of the device's journal. A new journal starts a new sequence."""
    floor: Count
    """The lowest sequence number that the device still holds."""


# FailFast: validating all of 300,000 bad rows would take a base half a minute.
class EventBatch(_Batch):
    """Payload of `event`."""

    rows: Annotated[tuple[EventRow, ...], FailFast()]


class EffortBatch(_Batch):
    """Payload of `effort`."""

    rows: Annotated[tuple[EffortRow, ...], FailFast()]


class NoticeBatch(_Batch):
    """Payload of `notice`."""

    rows: Annotated[tuple[NoticeRow, ...], FailFast()]


MAX_ACK_BATCHES = 10_000
"""Batches that one acknowledgement can name."""

BATCHES: dict[type[Row], type[EventBatch | EffortBatch | NoticeBatch]] = {
    EventRow: EventBatch,
    EffortRow: EffortBatch,
    NoticeRow: NoticeBatch,
}


Digest = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
"""The `digest` of a batch."""


class _Answer(SignedMessage):
    base: UUID
    """Identity of the base station's database."""


class Ack(_Answer):
    """Payload of `ack`: the base has committed the rows of some batches. They may leave the outbox."""

    journal: UUID
    batches: Annotated[tuple[Digest, ...], Field(max_length=MAX_ACK_BATCHES)] = ()
    """The batches. A digest names the exact rows: the number of a row would not, because a journal that was restored
    from a backup, or cloned, has other rows under the same numbers."""
    seq: Count
    """The highest number up to which the base has all rows, within the acknowledged batches. For information only."""
    missing: tuple[Span, ...] = ()
    """Numbers that did not arrive, although higher ones did. Only the lowest are listed. For information only."""

    def _signed_values(self) -> list[str]:
        return ["ack", str(self.base), str(self.journal), *self.batches]


class Refusal(_Answer):
    """Payload of `ack`: the base cannot read a batch, so it has stored none of its rows."""

    refused: Digest
    """The batch."""
    reason: Text

    def _signed_values(self) -> list[str]:
        return ["refusal", str(self.base), self.refused]


def batch(journal: UUID, floor: int, rows: Sequence[Row]) -> bytes:
    """Encode rows of one kind, in order, as one payload."""
    return BATCHES[type(rows[0])].model_validate({"journal": journal, "floor": floor, "rows": rows}).to_bytes()


def pack(payload: bytes) -> bytes:
    """Compress a payload. A batch of fifty events shrinks from 660 bytes a row to 100."""
    return zlib.compress(payload, level=9)


def content_type(payload: bytes) -> str:
    """Return the content type of a payload, for MQTT's property of that name."""
    return ZLIB_TYPE if payload.startswith(ZLIB_HEAD) else JSON_TYPE


def digest(payload: bytes) -> str:
    """Return the first 64 bits of a payload's BLAKE2b hash, in hex. The payload is hashed as it was sent."""
    return hashlib.blake2b(payload, digest_size=8).hexdigest()


def parse_answer(payload: bytes) -> Ack | Refusal:
    """Decode a message of the topic `ack`.

    Raises DeliveryError on anything but a well-formed answer.
    """
    try:
        return Refusal.from_bytes(payload)
    except DeliveryError:
        return Ack.from_bytes(payload)
