"""Write the contents of many messages together: one statement for all costs little more than one for each."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, select

from anura_base.analysis.clock_corrections import apply_stored_corrections
from anura_base.db.engine import base_id, insert_new
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.db.schema import effort, events, notices
from anura_base.ingest import progress_table
from anura_base.ingest.analyses import AnalysisSession, supersede
from anura_base.ingest.clock_correction import correct_clocks
from anura_base.ingest.clones import find_clones, find_two_machines
from anura_base.ingest.device_writer import store_devices, store_health
from anura_base.ingest.messages import DecodedMessage, JournalKey
from anura_base.ingest.progress_table import Arrivals
from anura_base.ingest.sequence import JournalProgress
from anura_edge.audio import ClockSource
from anura_edge.events import NoticeKind
from anura_edge.wire import Ack, Health, Kind, NoticeRow, Status, digest

MAX_FUTURE = timedelta(days=1)
"""A row that begins this long after its arrival has the wrong time. Up to a day, it may be in the wrong time zone."""

MAX_MISSING_SPANS = 32
"""Gaps that one acknowledgement names: the lowest first, the others in a later acknowledgement."""

_TABLES: dict[Kind, Table] = {"event": events, "effort": effort, "notice": notices}


def store(connection: Connection, messages: Sequence[DecodedMessage]) -> dict[JournalKey, Ack]:
    """Store messages in their order. Return the acknowledgement of each journal.

    Raises an error that is no outage if one of them cannot be stored. Then none may be committed.
    """
    store_devices(connection, messages)
    report(connection, find_two_machines(connection, messages))
    store_health(connection, messages)
    arrivals = _arrivals(messages)
    if not arrivals:
        return {}
    before = progress_table.load(connection, arrivals)
    report(connection, find_clones(connection, messages, before))
    session = AnalysisSession(connection, messages)
    session.register()
    _insert_rows(connection, messages, session)
    session.complete()
    _apply_corrections(connection, messages)
    progress = progress_table.record(connection, before, arrivals)
    base = base_id(connection)
    return {key: _ack(base, key, progress[key], each) for key, each in arrivals.items()}


def _arrivals(messages: Sequence[DecodedMessage]) -> dict[JournalKey, Arrivals]:
    found: dict[JournalKey, Arrivals] = {}
    for message in messages:
        if isinstance(message.content, Status | Health) or not (key := message.journal_key):
            continue
        arrivals = found.setdefault(key, Arrivals(message.raw.received_utc))
        arrivals.received_utc = message.raw.received_utc
        arrivals.floor = max(arrivals.floor, message.content.floor)
        arrivals.seqs += (row.seq for row in message.content.rows)
        arrivals.digests.append(digest(message.raw.payload))
    return found


def _ack(base: UUID, key: JournalKey, progress: JournalProgress, arrivals: Arrivals) -> Ack:
    # It names these batches only. A device whose journal was cloned, or restored from a backup, has other rows under
    # sequence numbers that we have received before, and must not delete those.
    highest = max(arrivals.seqs, default=0)
    missing = progress.gaps_below(highest, MAX_MISSING_SPANS)
    seq = min(progress.contiguous, highest)
    return Ack(base=base, journal=key.journal, batches=tuple(arrivals.digests), seq=seq, missing=missing)


def _insert_rows(connection: Connection, messages: Sequence[DecodedMessage], session: AnalysisSession) -> None:
    rows: defaultdict[Kind, list[dict[str, Any]]] = defaultdict(list)
    superseded: defaultdict[Kind, list[dict[str, Any]]] = defaultdict(list)
    for message in messages:
        if key := message.journal_key:
            common = {**key.columns, "received_utc": message.raw.received_utc}
            for row in message.rows:
                counts = isinstance(row, NoticeRow) or session.counts(row)
                (rows if counts else superseded)[row.kind].append({**vars(row), **common})
    for kind, values in superseded.items():
        supersede(connection, kind, values)
    for kind, values in rows.items():
        report(connection, _doubt_future(values))
        insert_new(connection, _TABLES[kind], values)


def _doubt_future(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[Incident, datetime]]:
    """Set the clock source of rows of a time to come to `unknown`, and yield an incident for each device."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row.get("start_utc", row["received_utc"]) > row["received_utc"] + MAX_FUTURE:
            row["clock_source"] = ClockSource.UNKNOWN
            found[row["site"], row["device"]] = row
    for (site, device), row in found.items():
        detail = f"a row of {row['start_utc']:%Y-%m-%d} came on {row['received_utc']:%Y-%m-%d}; set the clock"
        yield Incident(IncidentKind.FUTURE, site, device, "", detail), row["received_utc"]


def _apply_corrections(connection: Connection, messages: Sequence[DecodedMessage]) -> None:
    """Apply the notices about the recordings of these messages: a clock that became known.

    Corrections by people apply to rows that arrive later, too.
    """
    recordings = {row.recording for message in messages for row in message.rows}
    query = select(notices.c.site, notices.c.device, notices.c.journal, notices.c.recording).where(
        notices.c.recording.in_(recordings),
        notices.c.what == NoticeKind.CLOCK_KNOWN,
    )
    affected: defaultdict[JournalKey, set[str]] = defaultdict(set)
    for site, device, journal, recording in connection.execute(query.distinct()):
        affected[JournalKey(site, device, journal)].add(recording)
    for key in {key for message in messages if (key := message.journal_key)} & affected.keys():
        correct_clocks(connection, key.columns, affected[key])
    apply_stored_corrections(connection, recordings)
