"""Copies the rows of a damaged SQLite file that can still be read."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

from anura_edge.store.database import Database
from anura_edge.store.rows import ROW_TYPES, column_dicts, enqueue_row, store_row, to_row

_ID_BOUNDS = ["", *(f"{n:02x}" for n in range(1, 256)), "\U0010ffff"]
_NUMBER_BOUNDS = [-(2**63), *range(0, 10_000_000, 10_000), 2**63 - 1]
"""Bounds of the pieces in which a table is read. Damage hides only rows of its own piece."""

_MARKS = (("recordings", "id"), ("unreadable", "name"), ("progress", "id"))
"""Tables without wire rows, with the key of each."""

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


def copy_readable(damaged: Path, target: Database) -> Copied:
    """Copy all rows that can be read to a new journal, in one transaction."""
    copied = Copied()
    address = f"file:{quote(str(damaged.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as source, target.transaction() as db:
        has_lost_rows = _copy_rows(source, db, copied)
        for columns in _read(source, "clip", "event", Copied()):  # A lost entry costs only itself.
            _insert(db, "clip", columns)
        # The recording of a lost row is unknown, so no recording counts as analysed then. The next scan analyses the
        # cards again and gives the same rows.
        for table, key in _MARKS[has_lost_rows:]:
            for columns in _read(source, table, key, copied):
                copied.marks += 1
                _insert(db, table, columns)
    return copied


def _copy_rows(source: sqlite3.Connection, db: sqlite3.Connection, copied: Copied) -> bool:
    """Copy events, effort and notices. Return whether some of them could not be read."""
    delivered = {table: _delivered(source, table, copied) for table in ("settled", "dead_letter")}
    damage = copied.damage
    for kind, row_type in ROW_TYPES.items():
        for columns in _read(source, kind, "id", copied):
            try:
                row = to_row(row_type, columns)
            except ValueError:
                copied.damage += 1
                continue
            if columns.get("withdrawn"):  # The notice that withdraws it names numbers of the old journal.
                continue
            copied.rows += 1
            table = next((name for name, ids in delivered.items() if (kind, str(row.id)) in ids), None)
            if table is None:
                copied.queued += bool(enqueue_row(db, row))
            elif store_row(db, row):
                # Below zero: the row has no number in the sequence of the new journal.
                _insert(db, table, {**delivered[table][kind, str(row.id)], "seq": -copied.rows})
    return copied.damage > damage


def _delivered(source: sqlite3.Connection, table: str, copied: Copied) -> dict[tuple[object, object], _Columns]:
    return {(columns["kind"], columns["id"]): columns for columns in _read(source, table, "seq", copied)}


def _read(source: sqlite3.Connection, table: str, key: str, copied: Copied) -> Iterator[_Columns]:
    """Yield all rows of a table that can be read. Damage ends a query, so each piece is read from both ends."""
    bounds: list[object] = [*_NUMBER_BOUNDS] if key == "seq" else [*_ID_BOUNDS]
    for piece in pairwise(bounds):
        query = f"SELECT * FROM {table} WHERE {key} >= ? AND {key} < ? ORDER BY {key}"
        damage = copied.damage
        upwards = [*_until_damage(source, query, piece, copied)]
        yield from upwards
        if copied.damage > damage:
            downwards = _until_damage(source, f"{query} DESC", piece, copied)
            yield from (columns for columns in downwards if columns not in upwards)


def _until_damage(
    source: sqlite3.Connection, query: str, piece: tuple[object, object], copied: Copied
) -> Iterator[_Columns]:
    try:
        yield from column_dicts(source.execute(query, piece))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        copied.damage += 1


def _insert(db: sqlite3.Connection, table: str, columns: _Columns) -> None:
    names, places = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    with suppress(sqlite3.IntegrityError):  # damage may have changed a value
        db.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})", columns)
