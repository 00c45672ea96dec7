"""Notice that two devices use one journal or one name.

One journal: a row comes under a number that another row of the journal had. One name: two computers report at one time.

All rows are stored, because their ids differ, and an acknowledgement names the exact batches. Only people must know.
The copy of a memory card may have another name. A device that was renamed sends the same rows under both names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from itertools import product
from uuid import UUID

from sqlalchemy import Connection, Table, select, tuple_

from anura_base.db.engine import key_matches
from anura_base.db.incidents import Incident, IncidentKind
from anura_base.db.schema import effort, events, health, journals, notices, superseded_rows
from anura_base.ingest.messages import DecodedMessage, DeviceKey, JournalKey
from anura_base.ingest.progress_table import load
from anura_base.ingest.sequence import JournalProgress
from anura_edge.errors import DeliveryError
from anura_edge.wire import Health, Kind, Row

_TABLES: Mapping[Kind, Table] = {"event": events, "effort": effort, "notice": notices}


def find_clones(
    connection: Connection, messages: Sequence[DecodedMessage], before: Mapping[JournalKey, JournalProgress]
) -> Iterator[tuple[Incident, datetime]]:
    """Yield an incident for each journal with two rows of one number. `before` is the progress without the messages."""
    progress = _by_journal(connection, messages, before)
    told: set[JournalKey] = set()
    for message in messages:
        key = message.journal_key
        if not key or key in told:
            continue
        # Usually none: only a batch that was sent before has numbers that were received.
        names = progress.get(key.journal, {})
        repeated = [row for row in message.rows if any(each.has_received(row.seq) for each in names.values())]
        if _others_have_their_numbers(connection, names, _unknown(connection, repeated)):
            told.add(key)
            yield _incident(key), message.raw.received_utc


HEALTH_DELAY_INTERVALS = 10
"""The broker delivers a health report at most so many of its intervals late."""


def find_two_machines(
    connection: Connection, messages: Sequence[DecodedMessage]
) -> Iterator[tuple[Incident, datetime]]:
    """Yield an incident for each device under whose name two computers run, as with the copy of a memory card.

    A program that already ran when the last report of another start came is on another computer. The messages are not
    stored yet.
    """
    reports = [
        (message.device_key, message.content, message.raw.received_utc)
        for message in messages
        if isinstance(message.content, Health) and not message.raw.retained
    ]
    latest = _latest_health(connection, {key for key, _, _ in reports})
    for key, new, received_utc in reports:
        if (before := latest.get(key)) and _is_other_machine(*before, new, received_utc):
            detail = (
                f"two computers report under this name, {before[0].machine or '?'} and {new.machine or '?'}, as after a"
                " copy of a memory card; all rows are stored, those of each under its own journal; give one of them"
                " another name and credentials of its own"
            )
            yield Incident(IncidentKind.TWO_MACHINES, key.site, key.device, "", detail), received_utc
        latest[key] = new, received_utc


def _latest_health(connection: Connection, keys: Set[DeviceKey]) -> dict[DeviceKey, tuple[Health, datetime]]:
    columns = health.c.site, health.c.device, health.c.message, health.c.received_utc
    query = select(*columns).where(
        tuple_(health.c.site, health.c.device).in_([*keys]), health.c.received_utc.is_not(None)
    )
    latest: dict[DeviceKey, tuple[Health, datetime]] = {}
    for row in connection.execute(query) if keys else ():
        with suppress(DeliveryError):  # stored by an early version
            latest[DeviceKey(row.site, row.device)] = Health.from_bytes(row.message.encode()), row.received_utc
    return latest


def _is_other_machine(last: Health, last_utc: datetime, new: Health, new_utc: datetime) -> bool:
    if None in (last.boot_id, new.boot_id) or last.boot_id == new.boot_id:
        return False
    overlap_s = new.running_s - (new_utc - last_utc).total_seconds()
    return overlap_s > HEALTH_DELAY_INTERVALS * min(last.every_s, new.every_s)


def _by_journal(
    connection: Connection, messages: Sequence[DecodedMessage], before: Mapping[JournalKey, JournalProgress]
) -> Mapping[UUID, Mapping[JournalKey, JournalProgress]]:
    """Return the progress of each journal under each name of its device."""
    ids = {key.journal for message in messages if (key := message.journal_key)}
    columns = journals.c.site, journals.c.device, journals.c.journal
    keys = {JournalKey(*row) for row in connection.execute(select(*columns).where(journals.c.journal.in_(ids)))}
    others = keys - before.keys()
    progress = {**before, **(load(connection, others) if others else {})}
    return {id_: {key: each for key, each in progress.items() if key.journal == id_} for id_ in ids}


def _unknown(connection: Connection, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows that are not stored. All are of one kind. Two analyses of a recording have rows of equal ids."""
    if not rows:
        return []
    table = _TABLES[rows[0].kind]
    query = select(table.c.id, table.c.analysis).where(table.c.id.in_([row.id for row in rows]))
    known = {(id_, analysis) for id_, analysis in connection.execute(query)}
    return [row for row in rows if (row.id, row.analysis) not in known]


def _others_have_their_numbers(connection: Connection, names: Iterable[JournalKey], rows: Sequence[Row]) -> bool:
    """Return whether other rows have the numbers. Rows that retention removed and the device sends again are alone."""
    expected = {row.seq: (row.id, row.analysis) for row in rows}
    for table, key in product((*_TABLES.values(), superseded_rows), names if rows else ()):
        query = select(table.c.seq, table.c.id, table.c.analysis).where(*key_matches(table, key.columns))
        stored = connection.execute(query.where(table.c.seq.in_(expected)))
        if any(expected[seq] != (id_, analysis) for seq, id_, analysis in stored):
            return True
    return False


def _incident(key: JournalKey) -> Incident:
    detail = (
        f"journal {key.journal} has two rows of one number: two devices use it, as after a copy of a memory card, or it"
        " was restored from a backup; all rows are stored; give a copied device another name and an empty `state_dir`"
    )
    return Incident(IncidentKind.CLONE, key.site, key.device, str(key.journal), detail)
