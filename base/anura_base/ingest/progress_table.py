"""Record which rows of each journal were received.

Beyond the limits nothing is refused, because the numbers are only for information: some are not recorded, and an
incident reports it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, select, tuple_

from anura_base.db.engine import insert_or_update, key_matches
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.db.schema import journals, received
from anura_base.ingest.messages import DeviceKey, JournalKey
from anura_base.ingest.sequence import JournalProgress
from anura_edge.wire import Span

MAX_SPANS = 10_000
"""Most gaps in one journal. A working device has some hundred, while two kinds of rows are sent in turn."""

MAX_JOURNALS = 1_000
"""Most journals of one device. A device begins a new one when its disk was lost; more than one a day is a defect."""


@dataclass(slots=True)
class Arrivals:
    """All batches of one journal in a group of messages."""

    received_utc: datetime
    """When the last of the messages was received."""
    floor: int = 0
    seqs: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)


def record(
    connection: Connection, before: Mapping[JournalKey, JournalProgress], arrivals: Mapping[JournalKey, Arrivals]
) -> dict[JournalKey, JournalProgress]:
    """Record that rows were received. Return the progress of their journals. `before` is the loaded progress."""
    recorded = before.keys() | new_journals_with_room(connection, arrivals.keys() - before.keys())
    complete = {key: before.get(key, JournalProgress()).add(each.seqs, each.floor) for key, each in arrivals.items()}
    after = {key: progress.limited(MAX_SPANS) for key, progress in complete.items()}
    save(connection, before, {key: progress for key, progress in after.items() if key in recorded})
    exceeded = {key: IncidentKind.GAPS for key, progress in after.items() if progress != complete[key]}
    exceeded |= dict.fromkeys(arrivals.keys() - recorded, IncidentKind.JOURNALS)
    report(connection, ((_incident(key, kind), arrivals[key].received_utc) for key, kind in exceeded.items()))
    return after


def _incident(key: JournalKey, kind: IncidentKind) -> Incident:
    if kind == IncidentKind.GAPS:
        detail = (
            f"journal {key.journal} has more than {MAX_SPANS:,} gaps; its rows are stored, but not all missing rows are"
            " counted; check its disk"
        )
        return Incident(kind, key.site, key.device, str(key.journal), detail)
    detail = (
        f"the device has begun more than {MAX_JOURNALS:,} journals; its rows are stored, but missing rows of new"
        " journals are not counted; check its disk and its program"
    )
    return Incident(kind, key.site, key.device, "", detail)


def load(connection: Connection, keys: Collection[JournalKey]) -> dict[JournalKey, JournalProgress]:
    """Return the progress of those journals that exist."""
    columns = journals.c.site, journals.c.device, journals.c.journal
    floors = connection.execute(select(*columns, journals.c.floor).where(_in_journals(journals, keys))).all()
    columns = received.c.site, received.c.device, received.c.journal
    query = select(*columns, received.c.first, received.c.last).where(_in_journals(received, keys))
    spans: defaultdict[JournalKey, list[Span]] = defaultdict(list)
    for site, device, journal, first, last in connection.execute(query.order_by(received.c.first)):
        spans[JournalKey(site, device, journal)].append((first, last))
    return {
        (key := JournalKey(site, device, journal)): JournalProgress(floor, tuple(spans[key]))
        for site, device, journal, floor in floors
    }


def new_journals_with_room(connection: Connection, new: Collection[JournalKey]) -> set[JournalKey]:
    """Return those new journals whose progress may be stored: each device may have MAX_JOURNALS."""
    with_room: set[JournalKey] = set()
    free: dict[DeviceKey, int] = {}
    for key in sorted(new):
        device = DeviceKey(key.site, key.device)
        if device not in free:
            query = select(func.count()).where(*key_matches(journals, device._asdict()))
            free[device] = MAX_JOURNALS - (connection.scalar(query) or 0)
        if free[device] > 0:
            free[device] -= 1
            with_room.add(key)
    return with_room


def save(
    connection: Connection,
    before: Mapping[JournalKey, JournalProgress],
    after: Mapping[JournalKey, JournalProgress],
) -> None:
    """Write the progress `after`, where it differs from `before`."""
    obsolete: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key, progress in after.items():
        old, new = dict(before.get(key, JournalProgress()).received), dict(progress.received)
        obsolete += (_parameters({**key.columns, "first": first}) for first in old.keys() - new.keys())
        changed += (
            {**key.columns, "first": first, "last": last} for first, last in new.items() if old.get(first) != last
        )
    if obsolete:
        where = [received.c[name] == bindparam(f"old_{name}") for name in ("site", "device", "journal", "first")]
        connection.execute(delete(received).where(*where), obsolete)
    insert_or_update(connection, received, changed)
    counts = [{**key.columns, "floor": progress.floor, "missing": progress.missing} for key, progress in after.items()]
    insert_or_update(connection, journals, counts)


def _parameters(key: Mapping[str, Any]) -> dict[str, Any]:
    return {f"old_{name}": value for name, value in key.items()}


def _in_journals(table: Table, keys: Collection[JournalKey]) -> ColumnElement[bool]:
    return tuple_(table.c.site, table.c.device, table.c.journal).in_([*keys])
