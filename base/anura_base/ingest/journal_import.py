"""Store the rows of a journal that comes on a disk: by the code for rows that come over a broker.

A row that came before, on either way, adds nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine, Table, func, select

from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.config.settings import ClipSettings
from anura_base.db.engine import write_transaction
from anura_base.db.limits import limit_stored_values
from anura_base.db.schema import effort, events, notices, superseded_rows
from anura_base.ingest.batch import MAX_GROUP_ROWS, ingest
from anura_base.ingest.clip_import import import_clips
from anura_base.ingest.messages import RawMessage
from anura_edge.clips.journal_clips import clip_finder
from anura_edge.results.journal_copy import JournalCopy, JournalMessage, open_copy
from anura_edge.wire import Owner, Refusal, digest, parse_answer, parse_topic

_TABLES = {"calls": events, "effort": effort, "notices": notices, "superseded": superseded_rows}

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did."""

    journal: UUID
    owners: tuple[Owner, ...]
    """The sites and devices of the rows."""
    rows: int
    """Rows in the journal."""
    new: dict[str, int]
    """Rows that were not stored before: calls, effort, notices, and rows of analyses that do not count."""
    refused: dict[int, str]
    """The numbers of rows that the database refuses, with the reasons. The others are stored."""
    clips: int = 0
    """Clips that were not stored before."""


def import_journal(
    engine: Engine, path: Path, clips: ClipSettings, progress: Progress = lambda _done, _all: None
) -> ImportResult:
    """Store the rows of a journal on a disk, and the clips in the folder beside it.

    `progress` is called with the number of rows so far and of all rows.

    Raises JournalError if the journal cannot be read.
    """
    with open_copy(path) as journal:
        result = import_copy(engine, journal, clips, progress)
        finder = clip_finder(journal, journal.source.parent / "clips", recordings=None)
        return replace(result, clips=import_clips(engine, finder, clips))


def import_copy(engine: Engine, journal: JournalCopy, clips: ClipSettings, progress: Progress) -> ImportResult:
    """Store the rows of a copy of a journal.

    Groups of rows are committed one after the other. After an interruption the import is repeated from its beginning.
    """
    limit_stored_values(engine)
    install_triggers(engine)
    before = _count(engine, journal.id)
    refused: dict[int, str] = {}
    done, rows = 0, journal.count()
    for group in _groups(journal):
        refused |= _store(engine, group, clips)
        done += _rows(group)
        progress(done, rows)
    after = _count(engine, journal.id)
    new = {name: after[name] - before[name] for name in after}
    return ImportResult(journal.id, tuple(journal.owners()), rows, new, refused)


def _groups(journal: JournalCopy) -> Iterator[list[JournalMessage]]:
    """Yield the messages of the journal in groups that are committed together."""
    group: list[JournalMessage] = []
    for message in journal.messages():
        group.append(message)
        if _rows(group) >= MAX_GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _rows(group: Sequence[JournalMessage]) -> int:
    return sum(len(each.rows) for each in group)


def _store(engine: Engine, group: Sequence[JournalMessage], clips: ClipSettings) -> dict[int, str]:
    """Store messages. Return the rows that are refused: each row of a refused message is tried by itself."""
    # As retained messages they do not show that the device is online.
    now = datetime.now(UTC)
    payloads = {digest(payload := each.payload): (each, payload) for each in group}
    messages = [RawMessage(each.topic, payload, retained=True, received_utc=now) for each, payload in payloads.values()]
    with write_transaction(engine) as connection:
        answers = ingest(connection, messages, clips)
    refused: dict[int, str] = {}
    for topic, answered in answers:
        if parse_topic(topic)[2] == "ack" and isinstance(answer := parse_answer(answered), Refusal):
            message, _ = payloads[answer.refused]
            if len(message.rows) > 1:
                refused |= _store(engine, [*message.split()], clips)
            else:
                refused[message.rows[0].seq] = answer.reason
    return refused


def _count(engine: Engine, journal: UUID) -> dict[str, int]:
    with engine.connect() as connection:
        return {name: _count_rows(connection, table, journal) for name, table in _TABLES.items()}


def _count_rows(connection: Connection, table: Table, journal: UUID) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(table.c.journal == journal)) or 0
