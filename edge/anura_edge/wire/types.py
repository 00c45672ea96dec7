"""Field types and limits of the wire format, and the base class of every message."""

import zlib
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from anura_edge.errors import DeliveryError

SCHEMA: Literal["anura/1"] = "anura/1"

JSON_TYPE = "application/json"

ZLIB_TYPE = "application/zlib"

Kind = Literal["event", "effort", "notice", "status", "health", "ack", "clip", "cmd"]


MAX_PAYLOAD_BYTES = 1_000_000
"""A base refuses larger payloads, compressed or not. 1,000 event rows take about 600 kB."""

ZLIB_HEAD = b"\x78"
"""The first byte of a zlib stream with its usual window (RFC 1950, section 2.2)."""

MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON reader represents exactly (RFC 8259, section 6)."""

MAX_TEXT = 512
"""Maximum characters of a text for people."""


MAX_CLIP_BYTES = 8_000_000
"""Maximum size of a FLAC file: 80 s at 48 kHz, even if the audio cannot be compressed."""


MAX_PART_BYTES = 16_000
"""Maximum size of a part. It takes two seconds at 64 kbit/s, and a new event may have to wait for it."""


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without an offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time that UTC does not have") from error


Name = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,32}$")]

# Without NUL, which ends a text in databases and C programs.
Text = Annotated[str, Field(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]


Code = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]


Utc = Annotated[datetime, AfterValidator(_to_utc)]


Count = Annotated[int, Field(ge=0, le=MAX_SEQ)]


Span = tuple[Count, Count]
"""The first and last number of a range, both included."""


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Message(BaseModel):
    """Base class of every message on the wire."""

    # `schema` is a method of pydantic's models, so the attribute needs another name than the key.
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    def to_bytes(self) -> bytes:
        """Encode the message."""
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Decode a message.

        Raises DeliveryError, with the first fault, on anything but a well-formed message.
        """
        try:
            return cls.model_validate_json(unpack(payload))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "payload"
            raise DeliveryError(f"{where}: {first['msg']}") from error


def unpack(payload: bytes) -> bytes:
    """Return the payload, decompressed if it is compressed.

    Raises DeliveryError when it is too large or damaged.
    """
    if payload.startswith(ZLIB_HEAD):
        unpacker = zlib.decompressobj()
        try:
            # At most one byte above the limit: a few bytes can decompress to gigabytes.
            payload = unpacker.decompress(payload, MAX_PAYLOAD_BYTES + 1)
        except zlib.error as error:
            raise DeliveryError(f"payload: {error}") from error
        if len(payload) <= MAX_PAYLOAD_BYTES and not unpacker.eof:
            raise DeliveryError("payload: compressed data that breaks off")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise DeliveryError(f"payload: more than {MAX_PAYLOAD_BYTES} bytes")
    return payload
