"""Wire rows as rows of the journal's tables. Each function works inside a transaction of the caller."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from sqlite3 import Connection, Cursor
from typing import TypeVar

from anura_edge.wire import EffortRow, EventRow, NoticeRow, Row
from anura_edge.wire.rows import NumberedRow

T = TypeVar("T", bound=NumberedRow)

ROW_TYPES: dict[str, type[Row]] = {row_type.kind: row_type for row_type in (EventRow, EffortRow, NoticeRow)}
"""The class of each kind of row. Each kind has a table of the same name."""


def enqueue_row(db: Connection, row: Row) -> Row | None:
    """Store a row and add it to the outbox. Return it with its number, or None if it is stored already."""
    if not store_row(db, row):
        return None
    seq = db.execute("INSERT INTO outbox (kind, id) VALUES (?, ?)", (row.kind, str(row.id))).lastrowid
    return row.model_copy(update={"seq": seq})


def store_row(db: Connection, row: Row, verb: str = "INSERT OR IGNORE") -> bool:
    """Store a row and leave the outbox as it is. Return whether the row is new."""
    dumped = row.model_dump(mode="json", exclude={"seq"})
    values = {name: json.dumps(value) if isinstance(value, list) else value for name, value in dumped.items()}
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    return bool(db.execute(f"{verb} INTO {row.kind} ({columns}) VALUES ({places})", values).rowcount)


def to_row(row_type: type[T], columns: Mapping[str, object], seq: int = 0) -> T:
    """Return a row of a table as a wire row.

    Raises ValueError if its values are not valid.
    """
    lists = {name: json.loads(str(columns[name])) for name in ("replaces",) if name in columns}
    return row_type.model_validate({**columns, **lists, "seq": seq})


def read_rows(db: Connection, condition: str, values: Sequence[object]) -> Sequence[Row]:
    """Return the rows of the outbox that meet a condition, in the order of their numbers."""
    queued = db.execute(f"SELECT seq, kind, id FROM outbox WHERE {condition}", values).fetchall()
    rows: list[Row] = []
    for kind, row_type in ROW_TYPES.items():
        seqs = {id_: seq for seq, row_kind, id_ in queued if row_kind == kind}
        query = f"SELECT * FROM {kind} WHERE id IN (SELECT value FROM json_each(?))"
        stored = column_dicts(db.execute(query, (json.dumps([*seqs]),)))
        rows += [to_row(row_type, columns, seqs[str(columns["id"])]) for columns in stored]
    return sorted(rows, key=lambda row: row.seq)


def move_rows(db: Connection, to: str, columns: str, seqs: Collection[int], values: Sequence[str]) -> None:
    """Move rows from the outbox to another table."""
    condition = "FROM outbox WHERE seq IN (SELECT value FROM json_each(?))"
    numbers = json.dumps([*seqs])
    db.execute(f"INSERT OR REPLACE INTO {to} SELECT {columns} {condition}", [*values, numbers])
    db.execute(f"DELETE {condition}", [numbers])


def column_dicts(cursor: Cursor) -> Iterator[dict[str, object]]:
    """Yield the rows of a query, each by column name."""
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def utc_now() -> str:
    """Return the time in the form that the journal stores."""
    return datetime.now(UTC).isoformat()
