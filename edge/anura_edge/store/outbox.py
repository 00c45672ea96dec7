"""The rows that the base station has not acknowledged yet."""

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from anura_edge.store.database import Database
from anura_edge.store.rows import ROW_TYPES, move_rows, read_rows, summed_columns, utc_now
from anura_edge.wire import QueuedRow


class Outbox:
    """The pending rows, by sequence number. Threads may share it. Each call is one transaction.

    Each call raises JournalError if the journal cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, after_seq: int, limit: int) -> Sequence[QueuedRow]:
        """Return the rows that wait above a number, in order."""
        return self._read("seq > ? ORDER BY seq LIMIT ?", (after_seq, limit))

    def rows(self, seqs: Collection[int]) -> Sequence[QueuedRow]:
        """Return those of some rows that still wait, in order."""
        return self._read("seq IN (SELECT value FROM json_each(?)) ORDER BY seq", (json.dumps([*seqs]),))

    def newest_events(self, limit: int) -> Sequence[int]:
        """Return the numbers of the newest events that wait, in order."""
        query = "SELECT seq FROM outbox WHERE kind = 'event' ORDER BY seq DESC LIMIT ?"
        with self._database.reading() as db:
            return sorted(seq for (seq,) in db.execute(query, (limit,)))

    def head(self) -> int:
        """Return the highest number that was ever used."""
        query = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)"
        return self._database.number(query)

    def floor(self) -> int:
        """Return the lowest number that is still pending, or the next number if no row is."""
        query = """
            SELECT coalesce(
                (SELECT min(seq) FROM outbox), (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'outbox'), 1
            )
        """
        return self._database.number(query)

    def pending_count(self) -> int:
        """Count the rows that are not acknowledged."""
        return self._database.number("SELECT count(*) FROM outbox")

    def mark_delivered(self, seqs: Collection[int]) -> None:
        """Remove rows from the outbox: they are delivered. They stay in the journal."""
        with self._database.transaction() as db:
            columns = "seq, kind, id, ?, (SELECT running_s FROM journal)"
            move_rows(db, "settled (seq, kind, id, utc, running_s)", columns, seqs, [utc_now()])

    def base(self) -> UUID | None:
        """Return the base station that acknowledges our rows, or None before the first acknowledgement."""
        with self._database.reading() as db:
            (base,) = db.execute("SELECT base FROM journal").fetchone()
            return UUID(base) if base else None

    def remember_base(self, base: UUID | None) -> None:
        """Store which base station acknowledges our rows. None: the next one that does."""
        with self._database.transaction() as db:
            db.execute("UPDATE journal SET base = ?", (str(base) if base else None,))

    def resend(self, since: datetime | None) -> int:
        """Queue all rows again that were delivered or refused since a time, or ever. Return their number.

        They keep their sequence numbers, so a base station with a new database does not miss any.
        """
        moment = [since.astimezone(UTC).isoformat() if since else ""]
        with self._database.transaction() as db:
            count = 0
            for table in ("settled", "dead_letter"):
                numbered = f"INSERT INTO outbox SELECT seq, kind, id FROM {table} WHERE utc >= ? AND seq > 0"
                unnumbered = f"SELECT kind, id FROM {table} WHERE utc >= ? AND seq < 0 ORDER BY seq DESC"
                db.execute(numbered, moment)
                db.execute(f"INSERT INTO outbox (kind, id) {unnumbered}", moment)
                count += db.execute(f"DELETE FROM {table} WHERE utc >= ?", moment).rowcount
            return count

    def rename(self, column: Literal["site", "device"], old: str, new: str) -> int:
        """Give the rows of a site or device another name, and queue those again that were delivered.

        Return the number of rows with the new name that changed. The base station takes the name from them.
        """
        with self._database.transaction() as db:
            count = 0
            for kind in ROW_TYPES:
                of_old = f"kind = '{kind}' AND id IN (SELECT id FROM {kind} WHERE {column} = ?)"
                db.execute(f"INSERT INTO outbox SELECT seq, kind, id FROM settled WHERE seq > 0 AND {of_old}", [old])
                unnumbered = f"SELECT kind, id FROM settled WHERE seq < 0 AND {of_old} ORDER BY seq DESC"
                db.execute(f"INSERT INTO outbox (kind, id) {unnumbered}", [old])
                db.execute(f"DELETE FROM settled WHERE {of_old}", [old])
                count += db.execute(f"UPDATE {kind} SET {column} = ? WHERE {column} = ?", [new, old]).rowcount
                checksum = f"row_checksum({summed_columns(db, kind)})"
                db.execute(f"UPDATE {kind} SET checksum = {checksum} WHERE {column} = ?", [new])
            db.execute(f"UPDATE progress SET {column} = ? WHERE {column} = ?", [new, old])
            return count

    def _read(self, condition: str, values: Sequence[object]) -> Sequence[QueuedRow]:
        with self._database.reading() as db:
            return read_rows(db, condition, values)
