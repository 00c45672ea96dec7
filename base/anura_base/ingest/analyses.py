"""Keeps the rows of one analysis of each recording in the tables `events` and `effort`: of the one that counts.

A device makes an id for each analysis of a file. A recording may be analysed again, under other settings, by another
device or after its journal was lost, so the rows of several analyses can arrive, in any order and more than once.
`analysis_choice` decides which one counts. Rows of the others are kept in `superseded_rows`, and move back if their
analysis counts again.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Table, delete, func, select, update

from anura_base.db.engine import insert_new, key_matches
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.db.schema import (
    UtcDateTime,
    analyses,
    effort,
    events,
    replaced_analyses,
    replaced_recordings,
    superseded_rows,
)
from anura_base.ingest.analysis_choice import Analysis, Knowledge, Subject, current_analysis
from anura_base.ingest.messages import DecodedMessage, JournalKey
from anura_edge.events import NoticeKind
from anura_edge.wire import EffortRow, EventRow, NoticeRow

TABLES: dict[str, Table] = {EventRow.kind: events, EffortRow.kind: effort}


class AnalysisKey(NamedTuple):
    """Identifies an analysis."""

    subject: Subject
    id: UUID


_NO_ANALYSIS = AnalysisKey(Subject("", ""), UUID(int=0))


class AnalysisSession:
    """Takes the analyses of the messages of one transaction: call `register`, store the rows, then `complete`."""

    def __init__(self, connection: Connection, messages: Sequence[DecodedMessage]) -> None:
        self._connection = connection
        self._seen: dict[AnalysisKey, tuple[DecodedMessage, int | None]] = {}
        """The first message of each analysis, and the number of its rows."""
        self._names: dict[tuple[AnalysisKey, UUID], dict[JournalKey, DecodedMessage]] = {}
        """The names under which a journal sent an analysis, in their order, with the last message of each."""
        self._withdrawals: list[NoticeRow] = []
        for message in messages:
            key = _NO_ANALYSIS
            for row in message.rows:
                if isinstance(row, EventRow | EffortRow):
                    if row.analysis != key.id or (row.recording, row.model_sha256) != key.subject:
                        key = _key(row)  # else it is that of the row before, as usually
                        self._seen.setdefault(key, (message, row.analysis_rows))
                        self._note_name(key, message)
                elif isinstance(row, NoticeRow) and row.what == NoticeKind.WITHDRAWN:
                    self._withdrawals.append(row)
        self._current: dict[Subject, UUID | None] = {}
        """What counts: its rows are in the tables."""

    def _note_name(self, key: AnalysisKey, message: DecodedMessage) -> None:
        if owner := message.journal_key:
            names = self._names.setdefault((key, owner.journal), {})
            names.pop(owner, None)
            names[owner] = message

    def register(self) -> None:
        """Record the analyses and what replaces them."""
        connection, subjects = self._connection, {each.subject for each in self._seen}
        before = choose(connection, subjects)
        known = _load_owners(connection, self._seen)
        new = [each for each in self._seen if each not in known]
        insert_new(connection, analyses, [_columns(each, *self._seen[each]) for each in new])
        for notice in self._withdrawals:
            _withdraw(connection, notice)
        self._current = choose(connection, subjects)
        for subject, current in self._current.items():
            if before[subject] not in (current, None):  # Its rows may have the ids of those to come.
                _move_rows(connection, subject, current)
        for each in new:
            if earlier := before[each.subject]:
                _report_owner(connection, AnalysisKey(each.subject, earlier), self._seen[each][0])

    def counts(self, row: EventRow | EffortRow) -> bool:
        """Return whether the analysis of a row counts now."""
        return self._current[Subject(row.recording, row.model_sha256)] == row.analysis

    def complete(self) -> None:
        """Find the analyses of which all rows are there now, and move rows to where they belong then."""
        completed = _mark_complete(self._connection, self._seen)
        changed = {each.subject for each in self._seen} | _concerned(self._connection, completed)
        for notice in self._withdrawals:
            changed |= {Subject(id_, notice.model_sha256) for id_ in (notice.recording, notice.replaced_by) if id_}
        for subject, current in choose(self._connection, changed).items():
            if subject not in self._current or self._current[subject] != current:
                _move_rows(self._connection, subject, current)
        for key, owner in _load_owners(self._connection, self._seen).items():
            if names := self._names.get((key, owner.journal)):
                _change_owner(self._connection, key, owner, names)


def choose(connection: Connection, subjects: Collection[Subject]) -> dict[Subject, UUID | None]:
    """Return the analysis of each recording that counts."""
    if not subjects:
        return {}
    longer = _load_longer(connection, subjects)
    all_recordings = {each.recording for each in (*subjects, *(by for each in longer.values() for by in each))}
    found: defaultdict[Subject, list[Analysis]] = defaultdict(list)
    for row in connection.execute(select(analyses).where(analyses.c.recording.in_(all_recordings))):
        found[Subject(row.recording, row.model_sha256)].append(Analysis(row.analysis, row.number, row.is_complete))
    several = {each.id for group in found.values() for each in group}
    by_complete = select(replaced_analyses.c.analysis).join(
        analyses, (analyses.c.analysis == replaced_analyses.c.replaced_by) & analyses.c.is_complete
    )
    replaced = set(connection.scalars(by_complete.where(replaced_analyses.c.analysis.in_(several))))
    known = Knowledge(found, replaced, longer)
    return {subject: current_analysis(subject, known) for subject in subjects}


def supersede(connection: Connection, kind: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store rows of analyses that do not count."""
    keys = ("id", "analysis", "recording", "model_sha256", "site", "device", "journal", "seq")
    values = [
        {**{name: row[name] for name in keys}, "kind": kind, "row": json.dumps(dict(row), default=str)} for row in rows
    ]
    insert_new(connection, superseded_rows, values)


def _key(row: EventRow | EffortRow | Row[Any]) -> AnalysisKey:
    return AnalysisKey(Subject(row.recording, row.model_sha256), row.analysis)


def _columns(key: AnalysisKey, message: DecodedMessage, rows: int | None) -> dict[str, Any]:
    journal = message.journal_key
    owner = journal.columns if journal else {}
    return {**key.subject._asdict(), "analysis": key.id, **owner, "rows": rows, "is_complete": rows is None}


def _load_owners(connection: Connection, keys: Collection[AnalysisKey]) -> dict[AnalysisKey, JournalKey]:
    """Return those of some analyses that are recorded, and whose they are."""
    found = connection.execute(select(analyses).where(analyses.c.analysis.in_({each.id for each in keys})))
    # Rows of tables and of messages have the same names.
    owners = {_key(row): JournalKey(row.site, row.device, row.journal) for row in found}
    return {key: owner for key, owner in owners.items() if key in keys}


def _withdraw(connection: Connection, notice: NoticeRow) -> None:
    """Record which analyses and which recording a notice replaces."""
    if notice.analysis:
        pairs = [{"analysis": each, "replaced_by": notice.analysis} for each in notice.replaces]
        insert_new(connection, replaced_analyses, [each for each in pairs if each["analysis"] != notice.analysis])
    if notice.replaced_by:
        # The last notice wins: two recordings must not replace each other.
        table, model = replaced_recordings, {"model_sha256": notice.model_sha256}
        opposite = {"recording": notice.replaced_by, "replaced_by": notice.recording, **model}
        connection.execute(delete(table).where(*key_matches(table, opposite)))
        insert_new(connection, table, [{"recording": notice.recording, "replaced_by": notice.replaced_by, **model}])


def _mark_complete(connection: Connection, keys: Collection[AnalysisKey]) -> list[AnalysisKey]:
    """Mark those of some analyses as complete of which all rows are there. Return them."""
    ids = {each.id for each in keys}
    query = select(analyses).where(analyses.c.analysis.in_(ids), analyses.c.is_complete.is_(False))
    waiting = connection.execute(query).all()
    counts: defaultdict[AnalysisKey, int] = defaultdict(int)
    for table in (events, effort, superseded_rows) if waiting else ():
        columns = table.c.recording, table.c.model_sha256, table.c.analysis
        of_waiting = table.c.recording.in_({row.recording for row in waiting})
        for recording, model, analysis, count in connection.execute(
            select(*columns, func.count()).where(of_waiting).group_by(*columns)
        ):
            counts[AnalysisKey(Subject(recording, model), analysis)] += count
    completed = [key for row in waiting if counts[key := _key(row)] >= row.rows]
    for key in completed:
        of_key = key_matches(analyses, {**key.subject._asdict(), "analysis": key.id})
        connection.execute(update(analyses).where(*of_key).values(is_complete=True))
    return completed


def _concerned(connection: Connection, completed: Collection[AnalysisKey]) -> set[Subject]:
    """Return the recordings that count no more because other analyses are complete."""
    if not completed:
        return set()
    query = select(analyses.c.recording, analyses.c.model_sha256).join(
        replaced_analyses, replaced_analyses.c.analysis == analyses.c.analysis
    )
    by = replaced_analyses.c.replaced_by.in_({each.id for each in completed})
    found = {Subject(*row) for row in connection.execute(query.where(by))}
    wave = {each.subject for each in completed}
    while wave:
        replaced = select(replaced_recordings).where(replaced_recordings.c.replaced_by.in_({each[0] for each in wave}))
        wave = {Subject(row.recording, row.model_sha256) for row in connection.execute(replaced)} - found
        found |= wave
    return found


def _load_longer(connection: Connection, subjects: Collection[Subject]) -> Mapping[Subject, set[Subject]]:
    """Return the recordings that replace some recordings, and those that replace these."""
    longer: defaultdict[Subject, set[Subject]] = defaultdict(set)
    wave = set(subjects)
    while wave:
        table = replaced_recordings
        for row in connection.execute(select(table).where(table.c.recording.in_({each.recording for each in wave}))):
            longer[Subject(row.recording, row.model_sha256)].add(Subject(row.replaced_by, row.model_sha256))
        wave = {by for each in wave for by in longer.get(each, ())} - longer.keys() - set(subjects)
    return longer


def _move_rows(connection: Connection, subject: Subject, current: UUID | None) -> None:
    for kind, table in TABLES.items():
        of_subject = key_matches(table, subject._asdict())
        others = [*of_subject, table.c.analysis != current] if current else of_subject
        rows = [dict(row) for row in connection.execute(select(table).where(*others)).mappings()]
        for row in rows:
            del row["arrival"]
        if rows:
            supersede(connection, kind, rows)
            connection.execute(delete(table).where(*others))
        if current:
            key = {**subject._asdict(), "kind": kind, "analysis": current}
            again = key_matches(superseded_rows, key)
            texts = connection.scalars(select(superseded_rows.c.row).where(*again).order_by(superseded_rows.c.arrival))
            if restored := [_decode(table, json.loads(text)) for text in texts.all()]:
                insert_new(connection, table, restored)
                connection.execute(delete(superseded_rows).where(*again))
                for made in connection.execute(select(analyses).where(analyses.c.analysis == current)):
                    of_owner = [*of_subject, table.c.journal == made.journal]  # it may have been renamed meanwhile
                    connection.execute(update(table).where(*of_owner).values(site=made.site, device=made.device))


def _decode(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of JSON with the values of its table's columns."""
    for name, value in row.items():
        if value is not None and isinstance(table.c[name].type, UtcDateTime):
            row[name] = datetime.fromisoformat(value)
        elif value is not None and name in ("id", "journal", "analysis"):
            row[name] = UUID(value)
    return dict.fromkeys(column.name for column in table.c if column.nullable) | row


def _change_owner(
    connection: Connection, key: AnalysisKey, owner: JournalKey, names: Mapping[JournalKey, DecodedMessage]
) -> None:
    """Give rows to another site or device if their own journal now says so: they were renamed there.

    If it says several names, rows were stored under each. The last one counts.
    """
    *_, (new, message) = names.items()
    if names.keys() == {owner}:
        return
    values = {"site": new.site, "device": new.device}
    for table in (events, effort, superseded_rows, analyses):
        rows = {**key.subject._asdict(), "analysis": key.id, "journal": new.journal}
        connection.execute(update(table).where(*key_matches(table, rows)).values(values))
    if owner != new:
        _report(connection, owner, new, key.subject, message.raw.received_utc)


def _report_owner(connection: Connection, earlier: AnalysisKey, message: DecodedMessage) -> None:
    """Report a recording that another site or device has analysed before."""
    new, owner = message.journal_key, _load_owners(connection, {earlier}).get(earlier)
    if new and owner and (owner.site, owner.device) != (new.site, new.device):
        _report(connection, owner, new, earlier.subject, message.raw.received_utc)


def _report(connection: Connection, old: JournalKey, new: JournalKey, subject: Subject, utc: datetime) -> None:
    detail = (
        f"recordings of {old.site}/{old.device} are now of {new.site}/{new.device}, {subject.recording} among them;"
        " check which of them is right"
    )
    incident = Incident(IncidentKind.OWNER, new.site, new.device, f"{old.site}/{old.device}", detail)
    report(connection, [(incident, utc)])
