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
"""A base refuses more, before and after it is unpacked: 1,000 event rows take about 600 kB."""


ZLIB_HEAD = b"\x78"
"""How a zlib stream with its usual window begins (RFC 1950, section 2.2)."""


MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""


MAX_TEXT = 512
"""Characters in a name for people."""


MAX_CLIP_BYTES = 8_000_000
"""Of a FLAC file: 80 s at 48 kHz, even if nothing in it can be compressed."""


MAX_PART_BYTES = 16_000
"""Of a piece of it: two seconds at 64 kbit/s, for which the next call may have to wait."""


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without an offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time that UTC does not have") from error


Name = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,32}$")]


# Without NUL, which databases and C programs take for an end.
Text = Annotated[str, Field(max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]


Code = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]


Utc = Annotated[datetime, AfterValidator(_to_utc)]


Count = Annotated[int, Field(ge=0, le=MAX_SEQ)]


Span = tuple[Count, Count]
"""First and last number, both included."""


Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


Amount = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Message(BaseModel):
    """Base class of every message on the wire."""

    # `schema` is a method of pydantic's models, so the attribute needs another name than the key.
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    def to_bytes(self) -> bytes:
        """Encode for the wire."""
        return self.model_dump_json(by_alias=True).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Decode from the wire.

        Raises DeliveryError, saying what is wrong, on anything but a well-formed message.
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
            # Never more than one byte above the limit, whatever a few bytes claim to hold.
            payload = unpacker.decompress(payload, MAX_PAYLOAD_BYTES + 1)
        except zlib.error as error:
            raise DeliveryError(f"payload: {error}") from error
        if len(payload) <= MAX_PAYLOAD_BYTES and not unpacker.eof:
            raise DeliveryError("payload: compressed data that breaks off")
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise DeliveryError(f"payload: more than {MAX_PAYLOAD_BYTES} bytes")
    return payload
