"""Takes what devices sent. Nothing that a payload says can stop it: what it cannot use becomes a dead letter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError

from anura_base.clips.transfer import receive
from anura_base.config.settings import Clips
from anura_base.db.schema import dead_letters
from anura_base.ingest.sequence import merge_spans
from anura_base.ingest.writer import DecodedMessage, JournalKey, store
from anura_edge.errors import DeliveryError
from anura_edge.wire import (
    Ack,
    ClipDenial,
    ClipPart,
    EffortBatch,
    EventBatch,
    Health,
    Kind,
    NoticeBatch,
    Refusal,
    Status,
    digest,
    parse_clip,
    parse_topic,
    topic,
)

DEFAULT_LIMITS = Clips()
"""Of the audio that devices may send, where the settings say nothing."""

MAX_DEAD_LETTERS = 1_000
MAX_DEAD_LETTER_BYTES = 512
"""Enough to see who sent what, too little to fill a disk."""

MAX_PART_ROWS = 2_000
"""So many rows are stored at once, and a message more: one that unpacks to a thousand times its size costs as much
memory as any other."""

CONTENTS: dict[Kind, type[EventBatch | EffortBatch | NoticeBatch | Status | Health]] = {
    "event": EventBatch,
    "effort": EffortBatch,
    "notice": NoticeBatch,
    "status": Status,
    "health": Health,
}
"""What a base station reads."""


@dataclass(frozen=True, slots=True)
class RawMessage:
    """What came from the broker."""

    topic: str
    payload: bytes
    retained: bool
    """The broker kept it for us: it says nothing about when the device was there."""
    received_utc: datetime


@dataclass(frozen=True, slots=True)
class _AboutClip:
    """What a device says of a clip."""

    site: str
    device: str
    content: ClipPart | ClipDenial
    message: RawMessage


@dataclass(frozen=True, slots=True)
class _Refused:
    """A message that cannot be used."""

    message: RawMessage
    reason: str


def ingest(
    connection: Connection, messages: Sequence[RawMessage], limits: Clips = DEFAULT_LIMITS
) -> list[tuple[str, bytes]]:
    """Store messages and return the answers, as topic and payload, to send once they are committed.

    A batch that came before adds nothing, but is acknowledged again: the earlier acknowledgement may be lost.
    """
    acks: dict[JournalKey, Ack] = {}
    commands: list[tuple[str, bytes]] = []
    refused: list[_Refused] = []
    for part in _parts(messages, refused):
        if isinstance(part, _AboutClip):
            commands += _receive(connection, part, limits, refused)
        else:
            acks = _merged(acks, _store(connection, part, refused))
    _set_aside(connection, refused)
    refusals = [refusal for each in refused for refusal in _refusal(each)]
    acknowledged = [(topic(stream.site, stream.device, "ack"), ack.to_bytes()) for stream, ack in acks.items()]
    return [*refusals, *acknowledged, *commands]


def _parts(messages: Sequence[RawMessage], refused: list[_Refused]) -> Iterator[list[DecodedMessage] | _AboutClip]:
    """Read messages, as many at a time as may be stored together; of clips each alone, after what came before it."""
    part: list[DecodedMessage] = []
    rows = 0
    for message in messages:
        try:
            parcel = _read(message)
        except DeliveryError as error:
            refused.append(_Refused(message, str(error)))
            continue
        if isinstance(parcel, _AboutClip):
            if part:
                yield part
                part, rows = [], 0
            yield parcel
            continue
        part.append(parcel)
        rows += len(parcel.rows)
        if rows >= MAX_PART_ROWS:
            yield part
            part, rows = [], 0
    if part:
        yield part


def _read(message: RawMessage) -> DecodedMessage | _AboutClip:
    site, device, kind = parse_topic(message.topic)
    if kind == "clip":
        return _AboutClip(site, device, parse_clip(message.payload), message)
    if kind not in CONTENTS:
        raise DeliveryError("an acknowledgement or a command is for a device, not for a base station")
    content = CONTENTS[kind].from_bytes(message.payload)
    return DecodedMessage(site, device, content, message.retained, message.received_utc, message)


def _receive(
    connection: Connection, about: _AboutClip, limits: Clips, refused: list[_Refused]
) -> list[tuple[str, bytes]]:
    message = about.message
    try:
        with connection.begin_nested():
            return receive(connection, about.site, about.device, about.content, limits, message.received_utc)
    except (DeliveryError, DataError, IntegrityError) as error:
        refused.append(_Refused(message, str(error if isinstance(error, DeliveryError) else error.orig)))
        return []


def _store(connection: Connection, parcels: list[DecodedMessage], refused: list[_Refused]) -> dict[JournalKey, Ack]:
    """Store parcels together; if the database does not take them, find out by halves which it is."""
    try:
        with connection.begin_nested():
            return store(connection, parcels)
    except (DeliveryError, DataError, IntegrityError) as error:
        if len(parcels) == 1:
            reason = str(error if isinstance(error, DeliveryError) else error.orig)
            refused.append(_Refused(parcels[0].message, reason))
            return {}
    half = len(parcels) // 2
    earlier = _store(connection, parcels[:half], refused)
    return _merged(earlier, _store(connection, parcels[half:], refused))


def _merged(earlier: dict[JournalKey, Ack], later: dict[JournalKey, Ack]) -> dict[JournalKey, Ack]:
    """Answer all batches of a journal at once; what is missing is known best by the later answer."""
    merged = {**earlier, **later}
    for stream in earlier.keys() & later.keys():
        one, other = earlier[stream], later[stream]
        received = merge_spans((*one.received, *other.received))
        merged[stream] = other.model_copy(update={"seq": max(one.seq, other.seq), "received": received})
    return merged


def _refusal(refused: _Refused) -> list[tuple[str, bytes]]:
    """Tell the device that a batch of rows cannot be used, so that it can find out which row it is."""
    try:
        site, device, kind = parse_topic(refused.message.topic)
    except DeliveryError:
        return []  # nobody's topic
    if kind not in ("event", "effort", "notice"):
        return []
    text = refused.reason[:200].replace("\0", "?")
    return [(topic(site, device, "ack"), Refusal(refused=digest(refused.message.payload), reason=text).to_bytes())]


def _set_aside(connection: Connection, refused: Sequence[_Refused]) -> None:
    if not refused:
        return
    heads = [
        {
            # A reason quotes what was sent, and a topic may hold what PostgreSQL cannot store.
            "topic": each.message.topic[:200].replace("\0", "?"),
            "payload_head": each.message.payload[:MAX_DEAD_LETTER_BYTES],
            "reason": each.reason[:200].replace("\0", "?"),
            "received_utc": each.message.received_utc,
        }
        for each in refused
    ]
    connection.execute(insert(dead_letters), heads)
    newest = select(func.max(dead_letters.c.arrival)).scalar_subquery()
    connection.execute(delete(dead_letters).where(dead_letters.c.arrival <= newest - MAX_DEAD_LETTERS))
