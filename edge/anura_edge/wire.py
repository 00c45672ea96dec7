"""The wire, version 1: how rows become MQTT messages and back. Nobody else knows a topic or a JSON key.

    anura/v1/{site}/{device}/event    device -> base   Batch of EventRow
    anura/v1/{site}/{device}/effort   device -> base   Batch of EffortRow
    anura/v1/{site}/{device}/notice   device -> base   Batch of NoticeRow
    anura/v1/{site}/{device}/status   device -> base   Status, retained; the broker sends `offline` as the last will
    anura/v1/{site}/{device}/health   device -> base   Health, retained for a while; only the newest counts
    anura/v1/{site}/{device}/ack      base -> device   Ack, after the base has committed; or Refusal of a batch
    anura/v1/{site}/{device}/clip     device -> base   ClipPart, a piece of the audio around a call; or ClipDenial
    anura/v1/{site}/{device}/cmd      base -> device   ClipWanted, the next piece please; or ClipSettled, no more of it

Rows of every kind share one sequence per journal, so that one number acknowledges them all. A device says in each
batch what the lowest number is that it still holds (`floor`): anything below it will never come again.

A batch may be compressed (zlib, RFC 1950; then its content type is that of RFC 6713). Its first byte tells, too, in
case a bridge between brokers drops MQTT's properties: JSON never begins with it.

Audio is fetched piece by piece: the base asks for what follows on what it has, so whoever is killed, nothing is sent
anew that has come. A part without data offers a clip that nobody has asked for.

Field names are public: they may be added, never renamed. Readers ignore fields that they do not know.
"""

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, cast
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationError
from pydantic.json_schema import models_json_schema

from anura_edge.audio import ClockSource
from anura_edge.errors import DeliveryError
from anura_edge.events import Effort, EffortState, Event, Notice

SCHEMA: Literal["anura/1"] = "anura/1"
JSON_TYPE = "application/json"
ZLIB_TYPE = "application/zlib"

Kind = Literal["event", "effort", "notice", "status", "health", "ack", "clip", "cmd"]

MAX_PAYLOAD_BYTES = 1_000_000
"""A base refuses more, before and after it is unpacked: 1,000 event rows take about 600 kB."""

_ZLIB_HEAD = b"\x78"
"""How a zlib stream with its usual window begins (RFC 1950, section 2.2)."""

MAX_SEQ = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""

MAX_TEXT = 512
"""Characters in a name for people."""

MAX_CLIP_BYTES = 8_000_000
"""Of a FLAC file: 80 s at 48 kHz, even if nothing in it can be compressed."""

MAX_PART_BYTES = 16_000
"""Of a piece of it: two seconds at 64 kbit/s, for which the next call may have to wait."""

_KINDS = "event|effort|notice|status|health|ack|clip|cmd"
_TOPIC = re.compile(rf"anura/v1/([A-Za-z0-9_-]{{1,32}})/([A-Za-z0-9_-]{{1,32}})/({_KINDS})", re.ASCII)


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


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a row; the same for every row of a run."""

    model_id: str
    model_version: str
    model_sha256: str
    config_hash: str
    app_version: str


class _Message(BaseModel):
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
            return cls.model_validate_json(_unpack(payload))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "payload"
            raise DeliveryError(f"{where}: {first['msg']}") from error


class _Numbered(_Message):
    """What rows of every kind say."""

    seq: Count
    """Place in the journal's sequence: 1, 2, 3, ... over all kinds."""
    id: UUID
    model_id: Code
    model_version: Code
    model_sha256: Code
    config_hash: Code
    app_version: Code


class _Row(_Numbered):
    """What rows about a recording say."""

    recording: Code
    """Fingerprint of the recording's content, or the random id of a microphone's session."""
    recording_name: Text
    start_utc: Utc
    rate_hz: Annotated[int, Field(gt=0, le=1_000_000)]
    clock_source: ClockSource


class EventRow(_Row):
    """A call, as sent."""

    kind: ClassVar[Kind] = "event"
    label: Code
    scientific_name: Text
    end_utc: Utc
    onset_sample: Count
    """From the start of the recording, at rate_hz."""
    offset_sample: Count
    p_peak: Probability
    p_mean: Probability
    level_dbfs: Annotated[float, Field(allow_inf_nan=False)]


class EffortRow(_Row):
    """A stretch of listening, as sent."""

    kind: ClassVar[Kind] = "effort"
    state: EffortState
    first_sample: Count
    samples: Count
    """At rate_hz."""


class NoticeRow(_Numbered):
    """Something that happened to the device, as sent."""

    kind: ClassVar[Kind] = "notice"
    what: Code
    """One of NoticeKind; newer devices may know more."""
    utc: Utc
    detail: Text
    recording: Code
    amount: Annotated[float, Field(allow_inf_nan=False)] | None = None


class _Batch(_Message):
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


Row = EventRow | EffortRow | NoticeRow

_BATCHES: dict[type[Row], type[EventBatch | EffortBatch | NoticeBatch]] = {
    EventRow: EventBatch,
    EffortRow: EffortBatch,
    NoticeRow: NoticeBatch,
}


class Status(_Message):
    """Payload of `status`."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    state: Literal["online", "offline"]
    since_utc: Utc | None = None
    app_version: Code | None = None
    model_id: Code | None = None
    model_sha256: Code | None = None
    latitude_deg: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = None
    zone: Code | None = None
    """Of the site, by its name in the time zone database; a reader may not know it."""


class Health(_Message):
    """Payload of `health`: how the device is now. What it does not know is null.

    Sums count from the start of the program, `running_s` ago.
    """

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    utc: Utc
    """By the device's clock."""
    every_s: Amount
    """The next one comes after this time."""
    problems: Annotated[tuple[Text, ...], Field(max_length=16)] = ()
    """What a person should look at, in sentences."""
    boot_id: Code | None = None
    uptime_s: Amount
    """Since the machine was switched on."""
    running_s: Amount
    """Since the program started."""
    app_version: Code
    model_sha256: Code
    config_hash: Code
    since_sample_s: Amount | None = None
    """Since the last audio came."""
    since_inference_s: Amount | None = None
    """Since the model last scored some."""
    real_time_factor: Amount | None = None
    """The model's work for a second of audio, over the last minutes; above 1 it cannot keep up."""
    overruns: Count
    """How often the model took longer than its audio lasts."""
    provider: Code | None = None
    """What the model runs on: cpu, cuda or tensorrt."""
    analysed_s: Amount
    dropped_s: Amount
    """Audio that was lost before it was analysed."""
    gated_s: Amount = 0.0
    """Audio that was too quiet for a frog and not analysed, to save energy."""
    paused_s: Amount = 0.0
    """Audio that a duty cycle or an empty battery left out."""
    gaps: Count
    """In how many pieces audio was lost."""
    overflows: Count = 0
    """How often a microphone's driver said that it lost audio; how much of that is in `dropped_s`, the clock showed."""
    drift_ppm: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """How much faster than its nominal rate a microphone samples, in parts per million; null until that is clear."""
    pending: Count
    """Rows that nobody has acknowledged."""
    oldest_pending_s: Amount | None = None
    """How long the oldest of them has waited, since the start of the program at most; null when none waits."""
    disk_free_bytes: Count | None = None
    disk_free_inodes: Count | None = None
    clips_saved: Count | None = None
    """Pieces of audio saved; null when none are to be."""
    clips_dropped: Count | None = None
    """Those that the disk was too slow or too full for."""
    energy_step: Code | None = None
    """How much the battery makes the device save: full, coarse, gated or paused."""
    battery_percent: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    """What is left in the battery, of what it holds."""
    on_battery: bool | None = None
    """Whether a battery is being emptied."""
    memory_bytes: Count | None = None
    temperature_c: Annotated[float, Field(ge=-300, le=1000)] | None = None
    throttled: Count | None = None
    """A Raspberry Pi's throttling bits, as `vcgencmd get_throttled` shows them."""
    clock_synchronised: bool | None = None
    """Whether something, NTP as a rule, keeps the device's clock right."""


class Ack(_Message):
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


class Refusal(_Message):
    """Payload of `ack`, too: the base cannot use a batch, so none of it is stored."""

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    refused: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    """The batch's `digest`: what is in it could not be read."""
    reason: Text


class _AboutClip(_Message):
    # As RFC 4648, section 5, writes bytes: without the line breaks of MIME, which JSON would have to escape.
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    schema_id: Literal["anura/1"] = Field(alias="schema", default=SCHEMA)
    event: UUID
    """The call that the audio is around."""


class ClipPart(_AboutClip):
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


class ClipDenial(_AboutClip):
    """Payload of `clip`, too: why a clip does not come."""

    why: Literal["off", "gone", "later"]
    """The device sends none; it has none of this call; or its budget is spent, and it sends more later."""
    detail: Text = ""


class ClipWanted(_AboutClip):
    """Payload of `cmd`: the base asks for the next piece of a clip."""

    command: Literal["clip"]
    offset: Annotated[int, Field(ge=0, le=MAX_CLIP_BYTES)] = 0
    """How much of it the base has."""
    sha256: Sha256 | None = None
    """Of which file it has that much: of another one it is sent the first piece."""


class ClipSettled(_AboutClip):
    """Payload of `cmd`: the base needs nothing (more) of a clip."""

    command: Literal["clip_settled"]


def event_row(seq: int, event: Event, made_by: Provenance) -> EventRow:
    """Put an event into the form that it travels in."""
    return EventRow(seq=seq, **_fields(event), **_fields(made_by))


def effort_row(seq: int, effort: Effort, made_by: Provenance) -> EffortRow:
    """Put a stretch of effort into the form that it travels in."""
    return EffortRow(seq=seq, **_fields(effort), **_fields(made_by))


def notice_row(seq: int, notice: Notice, made_by: Provenance) -> NoticeRow:
    """Put a notice into the form that it travels in."""
    return NoticeRow(seq=seq, **_fields(notice), **_fields(made_by))


def batch(journal: UUID, floor: int, rows: Sequence[Row]) -> bytes:
    """Encode rows of one kind, in order, as one payload."""
    return _BATCHES[type(rows[0])].model_validate({"journal": journal, "floor": floor, "rows": rows}).to_bytes()


def pack(payload: bytes) -> bytes:
    """Compress a payload: a batch of fifty events from 660 bytes a row to 100."""
    return zlib.compress(payload, level=9)


def content_type(payload: bytes) -> str:
    """Name what a payload is, for MQTT's property of that name."""
    return ZLIB_TYPE if payload.startswith(_ZLIB_HEAD) else JSON_TYPE


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


def _unpack(payload: bytes) -> bytes:
    if payload.startswith(_ZLIB_HEAD):
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


def _fields(value: Event | Effort | Notice | Provenance) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def topic(site: str, device: str, kind: Kind | Literal["+"]) -> str:
    """Name the topic of a kind of message; `+` as site, device or kind makes a subscription."""
    return f"anura/v1/{site}/{device}/{kind}"


def parse_topic(name: str) -> tuple[str, str, Kind]:
    """Return site, device and kind.

    Raises DeliveryError on any other topic.
    """
    if not (match := _TOPIC.fullmatch(name)):
        raise DeliveryError(f"topic {name!r} is not anura/v1/{{site}}/{{device}}/{{{_KINDS}}}")
    site, device, kind = match.groups()
    return site, device, cast(Kind, kind)


def json_schema() -> dict[str, Any]:
    """Describe every payload in JSON Schema, for the docs and for other readers."""
    payloads: dict[Kind, type[BaseModel]] = {
        **{row.kind: batch for row, batch in _BATCHES.items()},
        "status": Status,
        "health": Health,
    }
    choices: dict[Kind, list[type[BaseModel]]] = {
        "ack": [Ack, Refusal],
        "clip": [ClipPart, ClipDenial],
        "cmd": [ClipWanted, ClipSettled],
    }
    models = [*payloads.values(), *(model for each in choices.values() for model in each)]
    _, schema = models_json_schema([(model, "validation") for model in models], title="anura-edge wire, version 1")
    topics: dict[Kind, Any] = {kind: {"$ref": f"#/$defs/{model.__name__}"} for kind, model in payloads.items()}
    for kind, either in choices.items():
        topics[kind] = {"anyOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in either]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "properties": topics}
