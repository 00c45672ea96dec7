"""Payloads of `clip` and `cmd`: the transfer of audio clips."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from anura_edge.errors import DeliveryError
from anura_edge.wire.types import MAX_CLIP_BYTES, MAX_PART_BYTES, SCHEMA, Count, Message, Sha256, Text


class ClipMessage(Message):
    """Base class of the messages about one clip."""

    # Base64 as in RFC 4648, section 5: without the line breaks of MIME, which JSON would have to escape.
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    event: UUID
    """The event in the clip."""


class ClipPart(ClipMessage):
    """Payload of `clip`: a part of a FLAC file that contains an event. Without data it offers the file."""

    sha256: Sha256
    """Hash of the whole file. One file may contain several events."""
    size: Annotated[int, Field(gt=0, le=MAX_CLIP_BYTES)]
    """Size of the whole file, in bytes."""
    first_sample: Count
    """First sample of the file, counted from the start of the recording at the event's rate_hz."""
    offset: Annotated[int, Field(ge=0, le=MAX_CLIP_BYTES)] = 0
    """Position of the data in the file, in bytes."""
    data: Annotated[bytes, Field(max_length=MAX_PART_BYTES)] = b""


class ClipDenial(ClipMessage):
    """Payload of `clip`: why the device does not send a clip."""

    why: Literal["off", "gone", "later"]
    """`off`: the device sends no clips. `gone`: it has no audio of this event. `later`: today's budget is spent."""
    detail: Text = ""


class ClipWanted(ClipMessage):
    """Payload of `cmd`: the base requests the next part of a clip."""

    command: Literal["clip"]
    offset: Annotated[int, Field(ge=0, le=MAX_CLIP_BYTES)] = 0
    """The number of bytes that the base has."""
    sha256: Sha256 | None = None
    """Hash of the file that these bytes are from. If the device has another file, it sends the first part."""


class ClipSettled(ClipMessage):
    """Payload of `cmd`: the base needs no more of a clip."""

    command: Literal["clip_settled"]


def parse_clip(payload: bytes) -> ClipPart | ClipDenial:
    """Decode a message of the topic `clip`.

    Raises DeliveryError on anything but a well-formed message.
    """
    try:
        return ClipDenial.from_bytes(payload)
    except DeliveryError:
        return ClipPart.from_bytes(payload)
