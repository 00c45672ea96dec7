"""Puts what many messages say into the tables at once: a statement for all of them costs little more than for one."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, select, tuple_

from anura_base.db.engine import insert_new, insert_or_update, key_matches
from anura_base.db.schema import devices, effort, events, health, journals, notices, received
from anura_base.ingest.clock_correction import correct_clocks
from anura_base.ingest.sequence import JournalProgress, spans
from anura_base.ingest.withdrawals import remove_withdrawn
from anura_edge.errors import DeliveryError
from anura_edge.events import NoticeKind
from anura_edge.wire import Ack, EffortBatch, EventBatch, Health, Kind, NoticeBatch, Row, Span, Status

MAX_SPANS = 10_000
"""Gaps that one journal may have. An honest device has some hundred while two kinds of rows take turns."""

MAX_MISSING_SPANS = 32
"""Gaps that one acknowledgement names: the lowest come first, the others with a later one."""

MAX_DEVICES = 10_000
"""A device can name any site as its own; more than these are nobody's network."""

MAX_JOURNALS = 1_000
"""Of one device, which begins a new one when its disk was lost: a second one a day would be a defect."""

_OF_DEVICE = {"state", "app_version", "model_id", "model_sha256", "latitude_deg", "longitude_deg", "zone"}
"""What a status says of its device."""

_TABLES: dict[Kind, Table] = {"event": events, "effort": effort, "notice": notices}


class JournalKey(NamedTuple):
    """One journal of one device."""

    site: str
    device: str
    journal: UUID

    @property
    def key(self) -> dict[str, Any]:
        """Its columns."""
        return self._asdict()


class _Device(NamedTuple):
    site: str
    device: str


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """A message that could be read."""

    site: str
    device: str
    content: EventBatch | EffortBatch | NoticeBatch | Status | Health
    retained: bool
    received_utc: datetime
    message: Any = None
    """What it was read from; whoever hands it in knows."""

    @property
    def rows(self) -> Sequence[Row]:
        """The rows in it, if it is a batch."""
        return () if isinstance(self.content, Status | Health) else self.content.rows

    @property
    def stream(self) -> JournalKey | None:
        """The journal that it is from, if it is a batch."""
        if isinstance(self.content, Status | Health):
            return None
        return JournalKey(self.site, self.device, self.content.journal)


@dataclass(slots=True)
class _Batches:
    """All batches of one journal."""

    floor: int = 0
    seqs: list[int] = field(default_factory=list)


def store(connection: Connection, parcels: Sequence[DecodedMessage]) -> dict[JournalKey, Ack]:
    """Store what parcels say, in their order, and return how to acknowledge each journal.

    Raises DeliveryError, DataError or IntegrityError if one of them cannot be stored; then none may be committed.
    """
    _store_devices(connection, parcels)
    _store_health(connection, parcels)
    batches = _gather(parcels)
    if not batches:
        return {}
    before = _load(connection, batches)
    _check_journals(connection, batches.keys() - before.keys())
    after = {
        stream: before.get(stream, JournalProgress()).add(each.seqs, each.floor) for stream, each in batches.items()
    }
    _insert_rows(connection, parcels)
    _settle_recordings(connection, parcels)
    _save(connection, before, after)
    return {stream: _ack(stream, after[stream], each.seqs) for stream, each in batches.items()}


def _gather(parcels: Sequence[DecodedMessage]) -> dict[JournalKey, _Batches]:
    batches: defaultdict[JournalKey, _Batches] = defaultdict(_Batches)
    for parcel in parcels:
        if isinstance(parcel.content, Status | Health) or not (stream := parcel.stream):
            continue
        batches[stream].floor = max(batches[stream].floor, parcel.content.floor)
        batches[stream].seqs += (row.seq for row in parcel.content.rows)
    return dict(batches)


def _ack(stream: JournalKey, after: JournalProgress, seqs: Collection[int]) -> Ack:
    # Each row of these batches by its number: a device whose journal was cloned, or restored from a backup, has rows
    # of its own under numbers that we know already, and may forget only those that have just come.
    highest = max(seqs, default=0)
    missing = after.gaps_below(highest, MAX_MISSING_SPANS)
    seq = min(after.contiguous, highest)
    return Ack(journal=stream.journal, seq=seq, received=spans(seqs), missing=missing)


def _insert_rows(connection: Connection, parcels: Sequence[DecodedMessage]) -> None:
    rows: defaultdict[Kind, list[dict[str, Any]]] = defaultdict(list)
    for parcel in parcels:
        if stream := parcel.stream:
            constant = {**stream.key, "received_utc": parcel.received_utc}
            for row in parcel.rows:
                rows[row.kind].append({**dict(row), **constant})
    for kind, values in rows.items():
        insert_new(connection, _TABLES[kind], values)


def _settle_recordings(connection: Connection, parcels: Sequence[DecodedMessage]) -> None:
    """Correct what became known of these recordings, before or now: their time, or that they were heard again."""
    recordings = {row.recording for parcel in parcels for row in parcel.rows}
    told = select(notices.c.site, notices.c.device, notices.c.journal, notices.c.recording).where(
        notices.c.recording.in_(recordings),
        notices.c.what.in_([NoticeKind.CLOCK_KNOWN, NoticeKind.WITHDRAWN]),
    )
    concerned: defaultdict[JournalKey, set[str]] = defaultdict(set)
    for site, device, journal, recording in connection.execute(told.distinct()):
        concerned[JournalKey(site, device, journal)].add(recording)
    for stream in {stream for parcel in parcels if (stream := parcel.stream)} & concerned.keys():
        correct_clocks(connection, stream.key, concerned[stream])
        remove_withdrawn(connection, stream.key, concerned[stream])


def _store_devices(connection: Connection, parcels: Sequence[DecodedMessage]) -> None:
    said: defaultdict[_Device, dict[str, Any]] = defaultdict(dict)
    for parcel in parcels:
        said[_Device(parcel.site, parcel.device)] |= _said_of_device(parcel)
    known = select(devices.c.site, devices.c.device).where(_among(devices, said))
    new = said.keys() - {_Device(site, device) for site, device in connection.execute(known)}
    if new and (connection.scalar(select(func.count()).select_from(devices)) or 0) + len(new) > MAX_DEVICES:
        raise DeliveryError(f"there are {MAX_DEVICES} devices; remove some that are none")
    alike: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for device, values in said.items():
        alike[tuple(sorted(values))].append({**device._asdict(), **values})
    for rows in alike.values():
        insert_or_update(connection, devices, rows)


def _said_of_device(parcel: DecodedMessage) -> dict[str, Any]:
    seen = {} if parcel.retained else {"last_seen_utc": parcel.received_utc}
    if not isinstance(parcel.content, Status):
        return seen
    known = parcel.content.model_dump(include=_OF_DEVICE, exclude_none=True)
    # The broker sends `offline` in the device's place, and a retained status whenever we subscribe.
    return {**known, **(seen if parcel.content.state == "online" else {})}


def _store_health(connection: Connection, parcels: Sequence[DecodedMessage]) -> None:
    kept: dict[_Device, dict[str, Any]] = {}
    fresh: dict[_Device, dict[str, Any]] = {}
    for parcel in parcels:
        if isinstance(parcel.content, Health):
            device = _Device(parcel.site, parcel.device)
            row = {**device._asdict(), "message": parcel.content.to_bytes().decode()}
            if parcel.retained:  # what the broker kept is no news for a base station that was there
                kept.setdefault(device, {**row, "received_utc": None})
            else:
                fresh[device] = {**row, "received_utc": parcel.received_utc}
    insert_new(connection, health, [*kept.values()])
    insert_or_update(connection, health, [*fresh.values()])


def _load(connection: Connection, streams: Collection[JournalKey]) -> dict[JournalKey, JournalProgress]:
    """Return how far those journals have come that there are."""
    key = journals.c.site, journals.c.device, journals.c.journal
    floors = connection.execute(select(*key, journals.c.floor).where(_among(journals, streams))).all()
    key = received.c.site, received.c.device, received.c.journal
    query = select(*key, received.c.first, received.c.last).where(_among(received, streams)).order_by(received.c.first)
    came: defaultdict[JournalKey, list[Span]] = defaultdict(list)
    for site, device, journal, first, last in connection.execute(query):
        came[JournalKey(site, device, journal)].append((first, last))
    return {
        (stream := JournalKey(site, device, journal)): JournalProgress(floor, tuple(came[stream]))
        for site, device, journal, floor in floors
    }


def _check_journals(connection: Connection, new: Collection[JournalKey]) -> None:
    for site, device, _ in new:
        query = select(func.count()).where(*key_matches(journals, {"site": site, "device": device}))
        if (connection.scalar(query) or 0) >= MAX_JOURNALS:
            raise DeliveryError(f"the device has begun {MAX_JOURNALS} journals; whatever it is, it is not in order")


def _save(
    connection: Connection, before: Mapping[JournalKey, JournalProgress], after: Mapping[JournalKey, JournalProgress]
) -> None:
    gone: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for stream, now in after.items():
        if len(now.received) > MAX_SPANS:
            raise DeliveryError(f"journal {stream.journal} has more than {MAX_SPANS} gaps")
        was, there = dict(before.get(stream, JournalProgress()).received), dict(now.received)
        gone += (_bound({**stream.key, "first": first}) for first in was.keys() - there.keys())
        new += ({**stream.key, "first": first, "last": last} for first, last in there.items() if was.get(first) != last)
    if gone:
        its = [received.c[name] == bindparam(f"its_{name}") for name in ("site", "device", "journal", "first")]
        connection.execute(delete(received).where(*its), gone)
    insert_or_update(connection, received, new)
    counted = [{**stream.key, "floor": now.floor, "missing": now.missing} for stream, now in after.items()]
    insert_or_update(connection, journals, counted)


def _bound(key: Mapping[str, Any]) -> dict[str, Any]:
    return {f"its_{name}": value for name, value in key.items()}


def _among(table: Table, keys: Collection[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Pick the rows of some devices, or of some journals."""
    names = ("site", "device", "journal")[: len(next(iter(keys)))]
    return tuple_(*(table.c[name] for name in names)).in_([*keys])
