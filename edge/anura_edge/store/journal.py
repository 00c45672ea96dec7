"""The journal of a device: an event, its effort and its place in the outbox are stored in one transaction."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from uuid import UUID, uuid4

from anura_edge import __version__
from anura_edge.audio import ClockSource
from anura_edge.events import Effort, Event, Notice, NoticeKind
from anura_edge.store.database import Database
from anura_edge.store.outbox import Outbox
from anura_edge.store.rows import (
    DamagedRowError,
    column_dicts,
    enqueue_row,
    move_rows,
    store_row,
    to_owner,
    to_row,
    utc_now,
)
from anura_edge.store.scan_history import AnalysedFile, mark_done, replace_analyses
from anura_edge.wire import (
    MAX_TEXT,
    EffortRow,
    EventRow,
    NoticeRow,
    Owner,
    Provenance,
    Row,
    effort_row,
    event_row,
    notice_row,
)

DEFAULT_OWNER = Owner()

DEVICE_PROVENANCE = Provenance(model_id="", model_version="", model_sha256="", config_hash="", app_version=__version__)
"""Of notices that the journal writes about itself: no model made them."""


class Journal:
    """The journal of one device. Threads may share it. Each call is one transaction.

    Each call raises JournalError if the journal cannot be used, and JournalFullError if there is no room.
    """

    def __init__(self, path: Path, owner: Owner = DEFAULT_OWNER) -> None:
        """Open a journal, or create it. New rows are of `owner`.

        Raises JournalDamagedError if it cannot be read any more; JournalError if the file belongs to another program,
        comes from a newer version, or cannot be written.
        """
        self.owner = owner
        self.database = Database(path, owner)
        self.outbox = Outbox(self.database)

    @property
    def id(self) -> UUID:
        """Identity of the journal. A new journal has a new identity and a new sequence of numbers."""
        return self.database.id

    def close(self) -> None:
        """Close the file. Committed rows are safe with or without this call."""
        self.database.close()

    def commit(
        self,
        events: Iterable[Event],
        efforts: Iterable[Effort],
        provenance: Provenance,
        done: AnalysedFile | None = None,
        notices: Iterable[Notice] = (),
        progress: Iterable[Effort] | None = None,
    ) -> list[Row]:
        """Store rows, add them to the outbox and mark a file as done, all or nothing. Return the new rows, numbered.

        `done` may replace an earlier analysis, which is then withdrawn. Rows that are stored already do not change. A
        notice of the kind `CLOCK_KNOWN` corrects the times of its recording's rows. `progress` is effort that still
        grows. It replaces the progress of the last commit, and is queued only by `finalise_open_effort`.
        """
        events, efforts = list(events), list(efforts)
        owner = (done and done.owner) or self.owner
        analysis = done.analysis if done else None
        count = len({each.id for each in events} | {each.id for each in efforts}) if done else None
        with self.database.transaction() as db:
            rows = []
            if done and (withdrawal := replace_analyses(db, done, provenance.model_sha256)):
                rows.append(enqueue_row(db, notice_row(0, withdrawal, provenance), owner))
            made: tuple[Row, ...] = (
                *(event_row(0, event, provenance, analysis, count) for event in events),
                *(effort_row(0, effort, provenance, analysis, count) for effort in efforts),
            )
            rows += [enqueue_row(db, row, owner) for row in made]
            for notice in notices:
                _correct_clock(db, notice)
                rows.append(enqueue_row(db, notice_row(0, notice, provenance), owner))
            if done:
                mark_done(db, done, provenance.model_sha256, provenance.config_hash)
            if progress is not None:
                _set_progress(db, [effort_row(0, effort, provenance, analysis) for effort in progress], owner)
        return [row for row in rows if row]

    def finalise_open_effort(self) -> EffortRow | None:
        """Queue the effort in `progress` of a run that was killed.

        Return the row of length zero at its end, or None if no microphone was recorded.
        """
        with self.database.transaction() as db:
            found = [_progress_row(*columns) for columns in db.execute("SELECT row, site, device FROM progress")]
            rows = sorted(found, key=lambda each: (each[0].start_utc, each[0].first_sample, -each[0].samples))
            for row, owner in rows:
                if row.samples:
                    enqueue_row(db, row, owner)
            for row, _ in rows[:-1]:
                db.execute("DELETE FROM progress WHERE id = ?", (str(row.id),))
        return rows[-1][0] if rows else None

    def add_unreadable(
        self,
        name: str,
        size_bytes: int,
        mtime_ns: int,
        reason: str,
        detail: str,
        notice: Notice,
        provenance: Provenance,
    ) -> bool:
        """Record that a file could not be analysed, and queue the notice about it. Return whether that is new."""
        with self.database.transaction() as db:
            values = (name, size_bytes, mtime_ns, reason, detail)
            is_new = db.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?, ?, ?)", values).rowcount
            if is_new:
                enqueue_row(db, notice_row(0, notice, provenance), self.owner)
        return bool(is_new)

    def dead_letter(self, seq: int, reason: str) -> None:
        """Move a row from the outbox to the dead letters, and queue a notice about it. The row stays in the journal."""
        with self.database.transaction() as db:
            found = db.execute("SELECT kind, id FROM outbox WHERE seq = ?", (seq,)).fetchone()
            columns = "dead_letter (seq, kind, id, utc, reason)"
            move_rows(db, columns, "seq, kind, id, ?, ?", [seq], [utc_now(), reason])
            if found and found[0] != NoticeRow.kind:  # A refused notice would cause another notice, and so on.
                detail = f"{found[0]} {found[1]}: {reason}"[:MAX_TEXT]
                notice = Notice(uuid4(), NoticeKind.ROW_REFUSED, datetime.now(UTC), detail)
                enqueue_row(db, notice_row(0, notice, DEVICE_PROVENANCE), self.owner)

    def event_ids(self) -> set[UUID]:
        """Return the id of every event."""
        with self.database.reading() as db:
            return {UUID(text) for (text,) in db.execute("SELECT id FROM event")}


def _correct_clock(db: Connection, notice: Notice) -> None:
    """Add the error of a clock to the times of a recording's rows whose clock is `unknown`.

    These rows have the system's clock then. The base station corrects the rows that it has already, so it does not
    matter which rows were sent. A second correction changes nothing.
    """
    if notice.what != NoticeKind.CLOCK_KNOWN or notice.amount is None:
        return
    row_types: tuple[type[EventRow | EffortRow], ...] = (EventRow, EffortRow)
    for row_type in row_types:
        query = f"SELECT * FROM {row_type.kind} WHERE recording = ? AND clock_source = ?"
        for columns in [*column_dicts(db.execute(query, (notice.recording, ClockSource.UNKNOWN)))]:
            row = to_row(row_type, columns)
            store_row(db, _shifted(row, notice.amount), to_owner(columns), "INSERT OR REPLACE")


def _shifted(row: EventRow | EffortRow, seconds: float) -> EventRow | EffortRow:
    """Return a row with other times and a known clock."""
    changes: dict[str, object] = {"clock_source": ClockSource.SYSTEM}
    for name in {"start_utc", "end_utc"} & set(type(row).model_fields):
        changes[name] = getattr(row, name) + timedelta(seconds=seconds)
    return row.model_copy(update=changes)


def _progress_row(text: str, site: str, device: str) -> tuple[EffortRow, Owner]:
    try:
        return EffortRow.model_validate(json.loads(text)), Owner(site, device)
    except ValueError as error:
        raise DamagedRowError(f"progress: {error}") from error


def _set_progress(db: Connection, rows: Sequence[EffortRow], owner: Owner) -> None:
    # Of this recording only: the effort of the recording before may still be open, if the disk was full.
    db.executemany(
        "DELETE FROM progress WHERE json_extract(row, '$.recording') = ?", {(row.recording,) for row in rows}
    )
    values = [(str(row.id), row.model_dump_json(), *owner) for row in rows]
    db.executemany("INSERT INTO progress (id, row, site, device) VALUES (?, ?, ?, ?)", values)
