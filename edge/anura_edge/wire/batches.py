"""Batches of rows and their acknowledgements: encode and decode."""

import hashlib
import zlib
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import FailFast, Field

from anura_edge.errors import DeliveryError
from anura_edge.wire.rows import EffortRow, EventRow, NoticeRow, Row
from anura_edge.wire.types import JSON_TYPE, SCHEMA, ZLIB_HEAD, ZLIB_TYPE, Count, Message, Span, Text


class _Batch(Message):
    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    journal: UUID
    """Identity of the device's journal; a new journal starts a new sequence."""
    floor: Count
    """The lowest sequence number that the device still holds."""


# The first mistake is enough: to list those of 300,000 bad rows would take a base half a minute.
class EventBatch(_Batch):
    """Payload of `event`."""

    rows: Annotated[tuple[EventRow, ...], FailFast()]


class EffortBatch(_Batch):
    """Payload of `effort`."""

    rows: Annotated[tuple[EffortRow, ...], FailFast()]


class NoticeBatch(_Batch):
    """Payload of `notice`."""

    rows: Annotated[tuple[NoticeRow, ...], FailFast()]


BATCHES: dict[type[Row], type[EventBatch | EffortBatch | NoticeBatch]] = {
    EventRow: EventBatch,
    EffortRow: EffortBatch,
    NoticeRow: NoticeBatch,
}


class Ack(Message):
    """Payload of `ack`: the rows in `received` are committed at the base, and may leave the queue."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    journal: UUID
    seq: Count
    """How far the base counts without a gap, within the batches that this answers. It may know these numbers from
    another life of the journal: no row may leave the queue because of it."""
    received: tuple[Span, ...] = ()
    """The numbers of all rows of the batches that this answers."""
    missing: tuple[Span, ...] = ()
    """Numbers that have not come, although higher ones have: the lowest of them, not all."""


class Refusal(Message):
    """Payload of `ack`, too: the base cannot use a batch, so none of it is stored."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    refused: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    """The batch's `digest`: what is in it could not be read."""
    reason: Text


def batch(journal: UUID, floor: int, rows: Sequence[Row]) -> bytes:
    """Encode rows of one kind, in order, as one payload."""
    return BATCHES[type(rows[0])].model_validate({"journal": journal, "floor": floor, "rows": rows}).to_bytes()


def pack(payload: bytes) -> bytes:
    """Compress a payload: a batch of fifty events from 660 bytes a row to 100."""
    return zlib.compress(payload, level=9)


def content_type(payload: bytes) -> str:
    """Name what a payload is, for MQTT's property of that name."""
    return ZLIB_TYPE if payload.startswith(ZLIB_HEAD) else JSON_TYPE


def digest(payload: bytes) -> str:
    """Name a payload, as it was sent, by its content: the first 64 bits of its BLAKE2b hash, in hex."""
    return hashlib.blake2b(payload, digest_size=8).hexdigest()


def parse_answer(payload: bytes) -> Ack | Refusal:
    """Decode what came on `ack`.

    Raises DeliveryError on anything but a well-formed answer.
    """
    try:
        return Refusal.from_bytes(payload)
    except DeliveryError:
        return Ack.from_bytes(payload)
