"""The device's memory: an event, the effort behind it and its place in the queue are one fact in one SQLite file."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from uuid import UUID, uuid4

from anura_edge import __version__
from anura_edge.audio import ClockSource
from anura_edge.events import Effort, Event, Notice, NoticeKind
from anura_edge.store.outbox import column_dicts, move_rows, now
from anura_edge.store.scan_history import AnalysedFile, ScanHistory, mark_done, with_revision_id, withdraw
from anura_edge.wire import MAX_TEXT, EffortRow, EventRow, NoticeRow, Provenance, Row, effort_row, event_row, notice_row

DEVICE_PROVENANCE = Provenance(model_id="", model_version="", model_sha256="", config_hash="", app_version=__version__)
"""What the journal says about itself no model has made."""


class Journal(ScanHistory):
    """The journal of one device. Threads may share it; each call is one transaction."""

    def commit(
        self,
        events: Iterable[Event],
        efforts: Iterable[Effort],
        provenance: Provenance,
        done: AnalysedFile | None = None,
        notices: Iterable[Notice] = (),
        progress: Iterable[Effort] | None = None,
    ) -> list[Row]:
        """Keep rows, queue them for the base station and mark a file as done, all or nothing.

        What is done may take the place of a hearing, which is then withdrawn. Rows that are there already are left
        alone. A notice of the kind `CLOCK_KNOWN` corrects the times of its recording's rows. `progress` takes the place
        of what it was before: effort that still grows, to be queued only if we never get to its end. Returns the new
        rows, numbered.
        """
        with self.transaction() as db:
            again = None
            rows = []
            if done and done.in_place_of:
                withdrawal = withdraw(db, done, provenance.model_sha256)
                rows.append(enqueue_row(db, notice_row(0, withdrawal, provenance)))
                again = withdrawal if done.in_place_of == done.recording.id else None
            rows += [enqueue_row(db, event_row(0, with_revision_id(event, again), provenance)) for event in events]
            rows += [enqueue_row(db, effort_row(0, with_revision_id(effort, again), provenance)) for effort in efforts]
            for notice in notices:
                _correct_clock(db, notice)
                rows.append(enqueue_row(db, notice_row(0, notice, provenance)))
            if done:
                mark_done(db, done, provenance.model_sha256, provenance.config_hash)
            if progress is not None:
                _set_progress(db, [effort_row(0, effort, provenance) for effort in progress])
        return [row for row in rows if row]

    def finalise_open_effort(self) -> EffortRow | None:
        """Queue the effort that a run before this one had no time to close.

        Returns its last stretch, which is empty and stands where its sound ended; None if it heard no microphone.
        """
        with self.transaction() as db:
            found = [EffortRow.model_validate_json(text) for (text,) in db.execute("SELECT row FROM progress")]
            rows = sorted(found, key=lambda row: (row.start_utc, row.first_sample, -row.samples))
            for row in rows:
                if row.samples:
                    enqueue_row(db, row)
            for row in rows[:-1]:
                db.execute("DELETE FROM progress WHERE id = ?", (str(row.id),))
        return rows[-1] if rows else None

    def set_aside(
        self, name: str, size: int, mtime_ns: int, reason: str, detail: str, notice: Notice, provenance: Provenance
    ) -> bool:
        """Note that a file could not be analysed, and queue the notice of it; say whether that is news."""
        with self.transaction() as db:
            values = (name, size, mtime_ns, reason, detail)
            is_news = db.execute("INSERT OR IGNORE INTO unreadable VALUES (?, ?, ?, ?, ?)", values).rowcount
            if is_news:
                enqueue_row(db, notice_row(0, notice, provenance))
        return bool(is_news)

    def refuse(self, seq: int, reason: str) -> None:
        """Take a row out of the queue that nobody takes, and say so; it stays in the journal."""
        with self.transaction() as db:
            found = db.execute("SELECT kind, id FROM outbox WHERE seq = ?", (seq,)).fetchone()
            move_rows(db, "dead_letter (seq, kind, id, utc, reason)", "seq, kind, id, ?, ?", [seq], [now(), reason])
            if found and found[0] != NoticeRow.kind:  # a notice that is refused would be followed by another
                detail = f"{found[0]} {found[1]}: {reason}"[:MAX_TEXT]
                notice = Notice(uuid4(), NoticeKind.ROW_REFUSED, datetime.now(UTC), detail)
                enqueue_row(db, notice_row(0, notice, DEVICE_PROVENANCE))

    def event_ids(self) -> set[UUID]:
        """Return the id of every event that was not withdrawn."""
        with self.reading() as db:
            return {UUID(text) for (text,) in db.execute("SELECT id FROM event WHERE NOT withdrawn")}


def _correct_clock(db: Connection, notice: Notice) -> None:
    """Add what a clock was wrong by to the times of a recording's rows whose clock is `unknown`.

    From then on these rows have the system's clock. The base station does the same to those that it has already, so it
    does not matter which of them were sent. Doing it twice changes nothing.
    """
    if notice.what != NoticeKind.CLOCK_KNOWN or notice.amount is None:
        return
    for form in (EventRow, EffortRow):
        query = f"SELECT * FROM {form.kind} WHERE recording = ? AND clock_source = ?"
        for fields in [*column_dicts(db.execute(query, (notice.recording, ClockSource.UNKNOWN)))]:
            store_row(db, _shifted(form.model_validate({**fields, "seq": 0}), notice.amount), "INSERT OR REPLACE")


def _shifted(row: EventRow | EffortRow, seconds: float) -> EventRow | EffortRow:
    """Return a row with its times moved, and known."""
    changes: dict[str, object] = {"clock_source": ClockSource.SYSTEM}
    for name in {"start_utc", "end_utc"} & set(type(row).model_fields):
        changes[name] = getattr(row, name) + timedelta(seconds=seconds)
    return row.model_copy(update=changes)


def enqueue_row(db: Connection, row: Row) -> Row | None:
    """Keep a row and queue it; return it with its number, or nothing if it is there already."""
    if not store_row(db, row):
        return None
    seq = db.execute("INSERT INTO outbox (kind, id) VALUES (?, ?)", (row.kind, str(row.id))).lastrowid
    return row.model_copy(update={"seq": seq})


def store_row(db: Connection, row: Row, verb: str = "INSERT OR IGNORE") -> bool:
    """Keep a row without queueing it; say whether it is new."""
    values = row.model_dump(mode="json", exclude={"seq"})
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    return bool(db.execute(f"{verb} INTO {row.kind} ({columns}) VALUES ({places})", values).rowcount)


def _set_progress(db: Connection, rows: Sequence[EffortRow]) -> None:
    # Of this recording only: the books of the one before may not have been closed, on a disk that was full.
    db.executemany(
        "DELETE FROM progress WHERE json_extract(row, '$.recording') = ?", {(row.recording,) for row in rows}
    )
    db.executemany("INSERT INTO progress VALUES (?, ?)", [(str(row.id), row.model_dump_json()) for row in rows])
