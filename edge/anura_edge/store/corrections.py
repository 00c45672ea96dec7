"""Corrects the site and the times of analysed files, without another analysis.

A correction is a new analysis with the same calls: the rows keep their ids, and the base station withdraws the former
analysis, as after `--reanalyse`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection
from uuid import uuid4

from anura_edge.audio import ClockSource
from anura_edge.store.database import Database
from anura_edge.store.rows import column_dicts, enqueue_row, to_row
from anura_edge.store.scan_history import delete_analyses, withdrawal
from anura_edge.wire import EffortRow, EventRow, Owner, Provenance, notice_row


@dataclass(frozen=True, slots=True)
class StoredRecording:
    """A file that a model has analysed, as the journal knows it."""

    id: str
    model_sha256: str
    name: str
    """Path below the folder that was scanned."""
    owner: Owner
    start_utc: datetime
    clock_source: ClockSource
    named_start: str
    """The time in its name, or else in its header. Empty if there is none."""


@dataclass(frozen=True, slots=True)
class RecordingCorrection:
    """What is right about a recording."""

    recording: StoredRecording
    owner: Owner
    shift: timedelta
    """Added to its times."""
    clock_source: ClockSource

    @property
    def changes_site(self) -> bool:
        """Whether the recording is of another site."""
        return self.owner != self.recording.owner

    @property
    def changes_time(self) -> bool:
        """Whether its times or the source of its clock are others."""
        return bool(self.shift) or self.clock_source != self.recording.clock_source


def stored_recordings(database: Database) -> list[StoredRecording]:
    """Return the files whose rows are in the journal, of all models."""
    query = """
        SELECT recordings.id, recordings.model_sha256, name, site, device, recordings.start_utc,
            recordings.clock_source, coalesce(named_start, '')
        FROM recordings JOIN (SELECT DISTINCT recording, model_sha256, site, device FROM effort) AS rows
            ON recording = recordings.id AND rows.model_sha256 = recordings.model_sha256
        WHERE replaced_by IS NULL ORDER BY name, recordings.id
    """
    with database.reading() as db:
        return [
            StoredRecording(
                id_, sha256, name, Owner(site, device), datetime.fromisoformat(start), ClockSource(clock), named
            )
            for id_, sha256, name, site, device, start, clock, named in db.execute(query)
        ]


def correct_recordings(database: Database, corrections: Iterable[RecordingCorrection]) -> int:
    """Apply corrections, all or none. Return the number of rows that changed.

    Raises JournalError if the journal cannot be written.
    """
    with database.transaction() as db:
        return sum(_correct(db, correction) for correction in corrections)


def _correct(db: Connection, correction: RecordingCorrection) -> int:
    recording, analysis = correction.recording, uuid4()
    rows = _rows(db, recording)
    replaced = delete_analyses(db, [recording.id], recording.model_sha256)
    notice = withdrawal(recording.id, recording.name, "its site or its time was corrected", replaced, analysis)
    first = rows[0]
    made_by = Provenance(first.model_id, first.model_version, first.model_sha256, first.config_hash, first.app_version)
    enqueue_row(db, notice_row(0, notice, made_by), correction.owner)
    for row in rows:
        changes: dict[str, object] = {"analysis": analysis, "analysis_rows": len(rows)}
        changes["clock_source"] = correction.clock_source
        for name in ("start_utc", "end_utc"):
            if name in type(row).model_fields:
                changes[name] = getattr(row, name) + correction.shift
        enqueue_row(db, row.model_copy(update=changes), correction.owner)
    update = "UPDATE recordings SET start_utc = ?, clock_source = ?, analysis = ? WHERE id = ? AND model_sha256 = ?"
    start = (recording.start_utc + correction.shift).isoformat()
    db.execute(update, (start, correction.clock_source, str(analysis), recording.id, recording.model_sha256))
    return len(rows)


def _rows(db: Connection, recording: StoredRecording) -> Sequence[EventRow | EffortRow]:
    rows: list[EventRow | EffortRow] = []
    row_types: tuple[type[EventRow | EffortRow], ...] = (EventRow, EffortRow)
    for row_type in row_types:
        query = f"SELECT * FROM {row_type.kind} WHERE recording = ? AND model_sha256 = ?"
        found = db.execute(query, (recording.id, recording.model_sha256))
        rows += [to_row(row_type, columns) for columns in [*column_dicts(found)]]
    return rows
