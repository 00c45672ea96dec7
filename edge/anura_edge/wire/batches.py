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


BATCHES: dict[type[Row], type[EventBatch | EffortBatch | NoticeBatch]] = {
    EventRow: EventBatch,
    EffortRow: EffortBatch,
    NoticeRow: NoticeBatch,
}


class Ack(Message):
    """Payload of `ack`: the base has committed the rows in `received`. They may leave the outbox."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    journal: UUID
    seq: Count
    """The highest number up to which the base has all rows, within the acknowledged batches. If the journal was
    restored from a backup, the base may have other rows of these numbers: no row may leave the outbox because of it."""
    received: tuple[Span, ...] = ()
    """The numbers of all rows in the acknowledged batches."""
    missing: tuple[Span, ...] = ()
    """Numbers that did not arrive, although higher ones did. Only the lowest of them are listed."""


class Refusal(Message):
    """Payload of `ack`: the base cannot read a batch, so it has stored none of its rows."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    refused: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    """The batch's `digest`."""
    reason: Text


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
