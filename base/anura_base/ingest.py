"""Stores what devices sent. Nothing that a payload says can stop it: what it cannot use becomes a dead letter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, delete, func, insert, select, update
from sqlalchemy.exc import DataError, IntegrityError

from anura_base.clocks import correct_clocks
from anura_base.database import insert_new, same
from anura_base.sequence import Progress, spans, union
from anura_base.tables import dead_letters, devices, effort, events, health, journals, notices, received
from anura_base.withdrawals import remove_withdrawn
from anura_edge.errors import DeliveryError
from anura_edge.wire import (
    Ack,
    EffortBatch,
    EventBatch,
    Health,
    NoticeBatch,
    Refusal,
    Status,
    digest,
    parse_topic,
    topic,
)

MAX_DEAD_LETTERS = 1_000
MAX_DEAD_LETTER_BYTES = 512
"""Enough to see who sent what, too little to fill a disk."""

MAX_SPANS = 10_000
"""Gaps that one journal may have. An honest device has some hundred while two kinds of rows take turns."""

_OF_DEVICE = {"state", "app_version", "model_id", "model_sha256", "latitude_deg", "longitude_deg", "zone"}
"""What a status says of its device."""

MAX_MISSING_SPANS = 32
"""Gaps that one acknowledgement names: the lowest come first, the others with a later one."""


@dataclass(frozen=True, slots=True)
class Message:
    """What came from the broker."""

    topic: str
    payload: bytes
    retained: bool
    """The broker kept it for us: it says nothing about when the device was there."""
    received_utc: datetime


@dataclass(frozen=True, slots=True)
class Stream:
    """One journal of one device."""

    site: str
    device: str
    journal: UUID

    @property
    def key(self) -> dict[str, Any]:
        """Its columns."""
        return {"site": self.site, "device": self.device, "journal": self.journal}


def ingest(connection: Connection, messages: Sequence[Message]) -> list[tuple[str, bytes]]:
    """Store messages and return the acknowledgements, as topic and payload, to send once they are committed.

    A batch that came before adds nothing, but is acknowledged again: the earlier acknowledgement may be lost.
    """
    acks: dict[Stream, Ack] = {}
    refusals: list[tuple[str, bytes]] = []
    for message in messages:
        try:
            # A savepoint: what the database does not take costs this message, not the others of the group.
            with connection.begin_nested():
                for stream, ack in _ingest_one(connection, message).items():
                    acks[stream] = _merged(acks[stream], ack) if stream in acks else ack
        except (DeliveryError, DataError, IntegrityError) as error:
            reason = str(error if isinstance(error, DeliveryError) else error.orig)
            _set_aside(connection, message, reason)
            refusals += _refusal(message, reason)
    return [*refusals, *((topic(stream.site, stream.device, "ack"), ack.to_bytes()) for stream, ack in acks.items())]


def _merged(earlier: Ack, later: Ack) -> Ack:
    """Answer two batches of a journal at once; what is missing is known best by the later answer."""
    seq = max(earlier.seq, later.seq)
    return later.model_copy(update={"seq": seq, "received": union((*earlier.received, *later.received))})


def _refusal(message: Message, reason: str) -> list[tuple[str, bytes]]:
    """Tell the device that a batch of rows cannot be used, so that it can find out which row it is."""
    try:
        site, device, kind = parse_topic(message.topic)
    except DeliveryError:
        return []  # nobody's topic
    if kind in ("status", "health", "ack"):
        return []
    text = reason[:200].replace("\0", "?")
    return [(topic(site, device, "ack"), Refusal(refused=digest(message.payload), reason=text).to_bytes())]


def _ingest_one(connection: Connection, message: Message) -> dict[Stream, Ack]:
    site, device, kind = parse_topic(message.topic)
    match kind:
        case "event":
            return _store(connection, message, site, device, EventBatch.from_bytes(message.payload), events)
        case "effort":
            return _store(connection, message, site, device, EffortBatch.from_bytes(message.payload), effort)
        case "notice":
            return _store(connection, message, site, device, NoticeBatch.from_bytes(message.payload), notices)
        case "status":
            _store_status(connection, message, site, device, Status.from_bytes(message.payload))
            return {}
        case "health":
            _store_health(connection, message, site, device, Health.from_bytes(message.payload))
            return {}
        case "ack":
            raise DeliveryError("an acknowledgement is for a device, not for a base station")


def _store(
    connection: Connection,
    message: Message,
    site: str,
    device: str,
    batch: EventBatch | EffortBatch | NoticeBatch,
    table: Table,
) -> dict[Stream, Ack]:
    stream = Stream(site, device, batch.journal)
    before = _load(connection, stream)
    after = before.add((row.seq for row in batch.rows), batch.floor)
    if len(after.received) > MAX_SPANS:
        raise DeliveryError(f"journal {batch.journal} has more than {MAX_SPANS} gaps")
    constant = {**stream.key, "received_utc": message.received_utc}
    insert_new(connection, table, [{**row.model_dump(), **constant} for row in batch.rows])
    recordings = {row.recording for row in batch.rows}
    correct_clocks(connection, stream.key, recordings)
    remove_withdrawn(connection, stream.key, recordings)
    _save(connection, stream, before, after)
    _update_device(connection, site, device, {} if message.retained else {"last_seen_utc": message.received_utc})
    # Each row of this batch by its number: a device whose journal was cloned, or restored from a backup, has rows of
    # its own under numbers that we know already, and may forget only those that have just come.
    came = spans(row.seq for row in batch.rows)
    highest = max((row.seq for row in batch.rows), default=0)
    seq = min(after.contiguous, highest)
    missing = after.lacking(highest, MAX_MISSING_SPANS)
    return {stream: Ack(journal=batch.journal, seq=seq, received=came, missing=missing)}


def _store_status(connection: Connection, message: Message, site: str, device: str, status: Status) -> None:
    # The broker sends `offline` in the device's place, and a retained status whenever we subscribe.
    seen = status.state == "online" and not message.retained
    known = status.model_dump(include=_OF_DEVICE, exclude_none=True)
    _update_device(connection, site, device, {**known, **({"last_seen_utc": message.received_utc} if seen else {})})


def _store_health(connection: Connection, message: Message, site: str, device: str, said: Health) -> None:
    key = {"site": site, "device": device}
    values = {"message": said.to_bytes().decode(), "received_utc": None if message.retained else message.received_utc}
    insert_new(connection, health, [{**key, **values}])
    if not message.retained:  # what the broker kept is no news for a base station that was there
        connection.execute(update(health).where(*same(health, key)).values(values))
    _update_device(connection, site, device, {} if message.retained else {"last_seen_utc": message.received_utc})


def _update_device(connection: Connection, site: str, device: str, values: dict[str, Any]) -> None:
    insert_new(connection, devices, [{"site": site, "device": device}])
    if values:
        connection.execute(update(devices).where(*same(devices, {"site": site, "device": device})).values(values))


def _load(connection: Connection, stream: Stream) -> Progress:
    floor = connection.scalar(select(journals.c.floor).where(*same(journals, stream.key)))
    query = select(received.c.first, received.c.last).where(*same(received, stream.key)).order_by(received.c.first)
    return Progress(floor or 1, tuple((first, last) for first, last in connection.execute(query)))


def _save(connection: Connection, stream: Stream, before: Progress, after: Progress) -> None:
    insert_new(connection, journals, [stream.key])
    values = {"floor": after.floor, "missing": after.missing}
    connection.execute(update(journals).where(*same(journals, stream.key)).values(values))
    for first, _ in set(before.received) - set(after.received):
        connection.execute(delete(received).where(*same(received, {**stream.key, "first": first})))
    new = set(after.received) - set(before.received)
    insert_new(connection, received, [{**stream.key, "first": first, "last": last} for first, last in new])


def _set_aside(connection: Connection, message: Message, reason: str) -> None:
    head = {
        # A reason quotes what was sent, and a topic may hold what PostgreSQL cannot store.
        "topic": message.topic[:200].replace("\0", "?"),
        "payload_head": message.payload[:MAX_DEAD_LETTER_BYTES],
        "reason": reason[:200].replace("\0", "?"),
        "received_utc": message.received_utc,
    }
    connection.execute(insert(dead_letters).values(head))
    newest = select(func.max(dead_letters.c.arrival)).scalar_subquery()
    connection.execute(delete(dead_letters).where(dead_letters.c.arrival <= newest - MAX_DEAD_LETTERS))
