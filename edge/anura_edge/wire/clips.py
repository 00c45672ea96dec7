"""Payloads of `clip` and `cmd`: the transfer of audio clips."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from anura_edge.errors import DeliveryError
from anura_edge.wire.types import MAX_CLIP_BYTES, MAX_PART_BYTES, SCHEMA, Count, Message, Sha256, Text


class ClipMessage(Message):
    """Base class of messages about one clip."""

    # As RFC 4648, section 5, writes bytes: without the line breaks of MIME, which JSON would have to escape.
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    event: UUID
    """The call that the audio is around."""


class ClipPart(ClipMessage):
    """Payload of `clip`: a piece of a FLAC file with a call in it. Without data it offers the file."""

    sha256: Sha256
    """Of the whole file: two calls may be in one."""
    size: Annotated[int, Field(gt=0, le=MAX_CLIP_BYTES)]
    """Of the whole file, in bytes."""
    first_sample: Count
    """Where it begins: from the start of the recording, at the event's rate_hz."""
    offset: Annotated[int, Field(ge=0, le=MAX_CLIP_BYTES)] = 0
    """Where in the file the data stands."""
    data: Annotated[bytes, Field(max_length=MAX_PART_BYTES)] = b""


class ClipDenial(ClipMessage):
    """Payload of `clip`, too: why a clip does not come."""

    why: Literal["off", "gone", "later"]
    """The device sends none; it has none of this call; or its budget is spent, and it sends more later."""
    detail: Text = ""


class ClipWanted(ClipMessage):
    """Payload of `cmd`: the base asks for the next piece of a clip."""

    command: Literal["clip"]
    offset: Annotated[int, Field(ge=0, le=MAX_CLIP_BYTES)] = 0
    """How much of it the base has."""
    sha256: Sha256 | None = None
    """Of which file it has that much: of another one it is sent the first piece."""


class ClipSettled(ClipMessage):
    """Payload of `cmd`: the base needs nothing (more) of a clip."""

    command: Literal["clip_settled"]


def parse_clip(payload: bytes) -> ClipPart | ClipDenial:
    """Decode what came on `clip`.

    Raises DeliveryError on anything but a well-formed message.
    """
    try:
        return ClipDenial.from_bytes(payload)
    except DeliveryError:
        return ClipPart.from_bytes(payload)


def parse_command(payload: bytes) -> ClipWanted | ClipSettled:
    """Decode what came on `cmd`.

    Raises DeliveryError on anything else: a newer base may know more commands.
    """
    try:
        return ClipSettled.from_bytes(payload)
    except DeliveryError:
        return ClipWanted.from_bytes(payload)
