"""Copies the rows of a damaged SQLite file that can still be read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from anura_edge.events import default_analysis_id
from anura_edge.store.database import Database
from anura_edge.store.rows import ROW_TYPES, DamagedRowError, row_checksum, store_row, to_owner, to_row
from anura_edge.wire import Owner

_ID_BOUNDS = ["", *(f"{n:02x}" for n in range(1, 256)), "\U0010ffff"]
_NUMBER_BOUNDS = [-(2**63), *range(0, 10_000_000, 10_000), 2**63 - 1]
"""Bounds of the pieces in which a table is read. Damage hides only rows of its own piece."""

_MARKS = (("recordings", "id"), ("unreadable", "name"), ("progress", "id"))
"""Tables without wire rows, with the key of each."""

_STATES = """
CREATE TEMP TABLE state (
    kind TEXT, id TEXT, is_in TEXT, seq INTEGER, utc TEXT, reason TEXT, running_s REAL, PRIMARY KEY (kind, id)
);
CREATE TEMP VIEW stored AS SELECT * FROM (
    SELECT 'event' AS kind, id FROM event UNION ALL SELECT 'effort', id FROM effort
    UNION ALL SELECT 'notice', id FROM notice
) LEFT JOIN state USING (kind, id);
"""

# A number below zero is not from the sequence: the row is older than all numbered ones.
_OLD_ORDER = "seq IS NULL, seq > 0, abs(seq)"

_QUEUE = f"INSERT INTO outbox (kind, id) SELECT kind, id FROM stored WHERE is_in = 'outbox' ORDER BY {_OLD_ORDER}"
_QUEUE_UNKNOWN = "INSERT INTO outbox (kind, id) SELECT kind, id FROM stored WHERE is_in IS NULL ORDER BY id"
_SETTLE = f"""
INSERT INTO settled (seq, kind, id, utc, running_s)
SELECT -row_number() OVER (ORDER BY {_OLD_ORDER}), kind, id, utc, running_s FROM stored WHERE is_in = 'settled'
"""
_REFUSE = f"""
INSERT INTO dead_letter (seq, kind, id, utc, reason)
SELECT -row_number() OVER (ORDER BY {_OLD_ORDER}), kind, id, utc, reason FROM stored WHERE is_in = 'dead_letter'
"""
_LOST = """
SELECT count(*) FROM state WHERE is_in != 'settled' AND id NOT IN (
    SELECT id FROM event UNION ALL SELECT id FROM effort UNION ALL SELECT id FROM notice
)
"""

_Columns = dict[str, object]


@dataclass(slots=True)
class Copied:
    """Counts of what was copied from a damaged journal."""

    rows: int = 0
    queued: int = 0
    """Rows that are sent again."""
    marks: int = 0
    """Rows of the tables that are about files."""
    damage: int = 0
    """Pages and rows that could not be read."""
    lost: int = 0
    """Rows that waited and could not be read, as far as they are known."""


def copy_readable(damaged: Path, target: Database, owner: Owner) -> Copied:
    """Copy all rows that can be read to a new journal, in one transaction.

    `owner` becomes the owner of the rows of an early version, which stored none.
    """
    copied = Copied()
    address = f"file:{quote(str(damaged.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as source, target.transaction() as db:
        source.text_factory = lambda text: text.decode(errors="replace")  # damage hides only its own row then
        copy = _Copy(source, db, copied)
        copy.copy_rows(owner)
        copy.copy_states()
        copy.copy_clips()
        copy.copy_base()
        # The recording of a lost row is unknown, so no recording counts as analysed then. The next scan analyses the
        # cards again and gives the same rows.
        for table, key in _MARKS[bool(copied.damage or copied.lost) :]:
            copy.copy_marks(table, key)
    return copied


class _Copy:
    """Copies the tables of one journal to another."""

    def __init__(self, source: sqlite3.Connection, db: sqlite3.Connection, copied: Copied) -> None:
        self._source, self._db, self._copied = source, db, copied
        for statement in filter(str.strip, _STATES.split(";")):
            db.execute(statement)

    def copy_rows(self, owner: Owner) -> None:
        """Copy events, effort and notices."""
        for kind, row_type in ROW_TYPES.items():
            for columns in self._read(kind, "id", self._copied):
                columns = columns if "checksum" in columns else _completed(columns, owner)
                try:
                    row = to_row(row_type, columns)
                except DamagedRowError:
                    self._copied.damage += 1
                    continue
                if not columns.get("withdrawn"):  # The notice that withdraws it names numbers of the old journal.
                    self._copied.rows += store_row(self._db, row, to_owner(columns))

    def copy_states(self) -> None:
        """Queue, settle and refuse the copied rows as they were, in the old order. Rows of unknown state are queued."""
        for table in ("outbox", "dead_letter", "settled"):  # A row that seems to be in two is sent again.
            for columns in self._read(table, "seq", Copied()):
                values = {"utc": "", "reason": "", "running_s": 0.0, **columns, "is_in": table}
                _insert(self._db, "state", values)
        db = self._db
        (self._copied.lost,) = db.execute(_LOST).fetchone()
        self._copied.queued = sum(db.execute(query).rowcount for query in (_QUEUE, _QUEUE_UNKNOWN))
        db.execute(_SETTLE)
        db.execute(_REFUSE)
        db.execute("UPDATE journal SET running_s = (SELECT coalesce(max(running_s), 0) FROM settled)")
        db.execute("DROP VIEW stored")
        db.execute("DROP TABLE state")

    def copy_clips(self) -> None:
        """Copy the index of clips. A lost entry costs only itself."""
        for columns in self._read("clip", "event", Copied()):
            _insert(self._db, "clip", columns)

    def copy_base(self) -> None:
        """Copy the base station that acknowledges the rows of the journal."""
        with suppress(sqlite3.Error, TypeError, ValueError):
            (base,) = self._source.execute("SELECT base FROM journal").fetchone()
            self._db.execute("UPDATE journal SET base = ?", (str(UUID(base)),))

    def copy_marks(self, table: str, key: str) -> None:
        """Copy a table without wire rows."""
        for columns in self._read(table, key, self._copied):
            self._copied.marks += _insert(self._db, table, columns)

    def _read(self, table: str, key: str, copied: Copied) -> Iterator[_Columns]:
        """Yield all rows of a table that can be read. Damage ends a query, so each piece is read from both ends."""
        bounds: list[object] = [*_NUMBER_BOUNDS] if key == "seq" else [*_ID_BOUNDS]
        for piece in pairwise(bounds):
            query = f"SELECT * FROM {table} WHERE {key} >= ? AND {key} < ? ORDER BY {key}"
            damage = copied.damage
            upwards = [*self._until_damage(table, query, piece, copied)]
            yield from upwards
            if copied.damage > damage:
                downwards = self._until_damage(table, f"{query} DESC", piece, copied)
                yield from (columns for columns in downwards if columns not in upwards)

    def _until_damage(self, table: str, query: str, piece: tuple[object, object], copied: Copied) -> Iterator[_Columns]:
        try:
            cursor = self._source.execute(query, piece)
            names = self._names(table, [column[0] for column in cursor.description])
            yield from (dict(zip(names, row, strict=True)) for row in cursor)
        except (sqlite3.Error, UnicodeDecodeError):
            copied.damage += 1

    def _names(self, table: str, names: list[str]) -> list[str]:
        """Return the names of a table's columns. Damage may have changed them, and an earlier version has fewer."""
        ours = [name for (name,) in self._db.execute("SELECT name FROM pragma_table_info(?)", (table,))]
        return ours if len(ours) == len(names) else names


def _completed(columns: _Columns, owner: Owner) -> _Columns:
    """Return a row of an early version with the values that it lacks."""
    analysis = default_analysis_id(str(columns.get("recording")), str(columns.get("model_sha256")))
    is_notice = "what" in columns
    complete = {**owner._asdict(), **({} if is_notice else {"analysis": str(analysis)}), **columns}
    complete.pop("withdrawn", None)
    return {**columns, **complete, "checksum": row_checksum(*(value for _, value in sorted(complete.items())))}


def _insert(db: sqlite3.Connection, table: str, columns: _Columns) -> int:
    names, places = ", ".join(columns), ", ".join("?" for _ in columns)
    with suppress(sqlite3.Error):  # damage may have changed a name or a value
        return db.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})", [*columns.values()]).rowcount
    return 0
