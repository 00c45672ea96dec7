"""The journal's queue: what waits for the base station, what it has, and what it does not take."""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from sqlite3 import Connection, Cursor

from anura_edge.store.database import Database
from anura_edge.wire import EffortRow, EventRow, NoticeRow, Row

ROW_TYPES: dict[str, type[Row]] = {form.kind: form for form in (EventRow, EffortRow, NoticeRow)}
"""The form of each kind of row; the tables are named like the kinds."""


class Outbox(Database):
    """Rows by number. Each call is one transaction."""

    def pending(self, after_seq: int, limit: int) -> Sequence[Row]:
        """Return rows that wait above a number, in order."""
        return self._rows("seq > ? ORDER BY seq LIMIT ?", (after_seq, limit))

    def rows(self, seqs: Collection[int]) -> Sequence[Row]:
        """Return those of some rows that still wait, in order."""
        return self._rows("seq IN (SELECT value FROM json_each(?)) ORDER BY seq", (json.dumps([*seqs]),))

    def newest_events(self, limit: int) -> Sequence[int]:
        """Return the numbers of the newest events that wait, in order."""
        query = "SELECT seq FROM outbox WHERE kind = 'event' ORDER BY seq DESC LIMIT ?"
        with self.reading() as db:
            return sorted(seq for (seq,) in db.execute(query, (limit,)))

    def head(self) -> int:
        """Return the highest number that was ever used."""
        return self.number("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)")

    def floor(self) -> int:
        """Return the lowest number that is still pending, or the next one that will be used."""
        query = """
            SELECT coalesce(
                (SELECT min(seq) FROM outbox), (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'outbox'), 1
            )
        """
        return self.number(query)

    def pending_count(self) -> int:
        """Count the rows that nobody has acknowledged."""
        return self.number("SELECT count(*) FROM outbox")

    def settle(self, seqs: Collection[int]) -> None:
        """Take rows out of the queue: they are delivered."""
        with self.transaction() as db:
            move_rows(db, "settled (seq, kind, id, utc)", "seq, kind, id, ?", seqs, [now()])

    def resend(self, since: datetime | None) -> int:
        """Queue again what was delivered or refused since a moment, or ever; return how many rows that is.

        They keep their numbers, so that a base station which begins anew misses none.
        """
        moment = [since.astimezone(UTC).isoformat() if since else ""]
        with self.transaction() as db:
            count = 0
            for table in ("settled", "dead_letter"):
                numbered = f"INSERT INTO outbox SELECT seq, kind, id FROM {table} WHERE utc >= ? AND seq > 0"
                unnumbered = f"SELECT kind, id FROM {table} WHERE utc >= ? AND seq < 0 ORDER BY seq DESC"
                db.execute(numbered, moment)
                db.execute(f"INSERT INTO outbox (kind, id) {unnumbered}", moment)
                count += db.execute(f"DELETE FROM {table} WHERE utc >= ?", moment).rowcount
            return count

    def _rows(self, which: str, values: Sequence[object]) -> Sequence[Row]:
        found: list[Row] = []
        with self.reading() as db:
            queued = db.execute(f"SELECT seq, kind, id FROM outbox WHERE {which}", values).fetchall()
            for kind, form in ROW_TYPES.items():
                seqs = {id_: seq for seq, of, id_ in queued if of == kind}
                query = f"SELECT * FROM {kind} WHERE id IN (SELECT value FROM json_each(?))"
                kept = column_dicts(db.execute(query, (json.dumps([*seqs]),)))
                found += [form.model_validate({**fields, "seq": seqs[str(fields["id"])]}) for fields in kept]
        return sorted(found, key=lambda row: row.seq)


def column_dicts(cursor: Cursor) -> Iterator[dict[str, object]]:
    """Return what a query gives, by the names of its columns."""
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def move_rows(db: Connection, to: str, columns: str, seqs: Collection[int], values: Sequence[str]) -> None:
    """Take rows out of the queue into another table."""
    which = "FROM outbox WHERE seq IN (SELECT value FROM json_each(?))"
    numbers = json.dumps([*seqs])
    db.execute(f"INSERT OR REPLACE INTO {to} SELECT {columns} {which}", [*values, numbers])
    db.execute(f"DELETE {which}", [numbers])


def now() -> str:
    """Return the time as the journal writes it."""
    return datetime.now(UTC).isoformat()
