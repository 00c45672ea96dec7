"""Field types and limits of the wire format, and the base class of every message."""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from anura_edge.errors import DeliveryError

SCHEMA: Literal["anura/1"] = "anura/1"

JSON_TYPE = "application/json"

ZLIB_TYPE = "application/zlib"

Kind = Literal["event", "effort", "notice", "status", "health", "ack", "clip", "cmd", "update"]


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


FIRST_UTC = datetime(1950, 1, 1, tzinfo=UTC)
LAST_UTC = datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Every time is between these two. There are no older recordings of frogs, and a clock that shows another time is
broken. Near the ends of the calendar (the years 1 and 9999) a time has no neighbours to compute with."""

MAX_RECORDING_S = (LAST_UTC - FIRST_UTC) / timedelta(seconds=1)
"""The longest recording, in seconds."""


def _to_utc(moment: datetime, info: ValidationInfo) -> datetime:
    """Convert to UTC. A received time outside the bounds is refused; a time that this program makes is limited."""
    if moment.tzinfo is None:
        raise ValueError("a time without an offset from UTC")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # the first and the last hours of the calendar
        moment = moment.replace(tzinfo=UTC)
    limited = min(max(moment, FIRST_UTC), LAST_UTC)
    if info.mode == "json" and limited != moment:
        raise ValueError(f"a time outside the years {FIRST_UTC.year} to {LAST_UTC.year}")
    return limited


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


MAX_SIGNED_AMOUNT = 1e18

SignedAmount = Annotated[float, Field(ge=-MAX_SIGNED_AMOUNT, le=MAX_SIGNED_AMOUNT, allow_inf_nan=False)]
"""A number of any unit: bytes, seconds, parts per million."""


MAX_LEVEL_DBFS = 1_000.0
"""The power of every audio sample, as a float of 32 bits, is within this limit, above and below full scale."""

Level = Annotated[float, Field(ge=-MAX_LEVEL_DBFS, le=MAX_LEVEL_DBFS, allow_inf_nan=False)]


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
            raise DeliveryError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


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
