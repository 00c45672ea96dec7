"""Load and save which rows of each journal were received."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, func, select, tuple_

from anura_base.db.engine import insert_or_update, key_matches
from anura_base.db.schema import journals, received
from anura_base.ingest.messages import JournalKey
from anura_base.ingest.sequence import JournalProgress
from anura_edge.errors import DeliveryError
from anura_edge.wire import Span

MAX_SPANS = 10_000
"""Most gaps in one journal. A working device has some hundred, while two kinds of rows are sent in turn."""

MAX_JOURNALS = 1_000
"""Most journals of one device. A device begins a new one when its disk was lost; more than one a day is a defect."""


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


def check_new_journals(connection: Connection, new: Collection[JournalKey]) -> None:
    """Raise DeliveryError if a device would have more than MAX_JOURNALS journals."""
    for site, device, _ in new:
        query = select(func.count()).where(*key_matches(journals, {"site": site, "device": device}))
        if (connection.scalar(query) or 0) >= MAX_JOURNALS:
            raise DeliveryError(f"the device has begun {MAX_JOURNALS} journals; check its disk and its program")


def save(
    connection: Connection,
    before: Mapping[JournalKey, JournalProgress],
    after: Mapping[JournalKey, JournalProgress],
) -> None:
    """Write the progress `after`, where it differs from `before`. Raises DeliveryError beyond MAX_SPANS."""
    obsolete: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for key, progress in after.items():
        if len(progress.received) > MAX_SPANS:
            raise DeliveryError(f"journal {key.journal} has more than {MAX_SPANS} gaps")
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
