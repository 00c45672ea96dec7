"""Wire rows as rows of the journal's tables. Each function works inside a transaction of the caller."""

import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from sqlite3 import Connection, Cursor
from typing import TypeVar

from anura_edge.wire import EffortRow, EventRow, NoticeRow, Owner, QueuedRow, Row
from anura_edge.wire.rows import NumberedRow

T = TypeVar("T", bound=NumberedRow)

ROW_TYPES: dict[str, type[Row]] = {row_type.kind: row_type for row_type in (EventRow, EffortRow, NoticeRow)}
"""The class of each kind of row. Each kind has a table of the same name."""


_NOT_SUMMED = {"checksum", "withdrawn"}
"""Columns that a checksum does not cover. A journal of an early version has withdrawn rows."""


class DamagedRowError(ValueError):
    """A row of the journal is not what was stored."""


def enqueue_row(db: Connection, row: Row, owner: Owner) -> Row | None:
    """Store a row and add it to the outbox. Return it with its number, or None if it is stored already."""
    if not store_row(db, row, owner):
        return None
    seq = db.execute("INSERT INTO outbox (kind, id) VALUES (?, ?)", (row.kind, str(row.id))).lastrowid
    return row.model_copy(update={"seq": seq})


def store_row(db: Connection, row: Row, owner: Owner, verb: str = "INSERT OR IGNORE") -> bool:
    """Store a row and leave the outbox as it is. Return whether the row is new."""
    dumped = {**row.model_dump(mode="json", exclude={"seq"}), **owner._asdict()}
    values = {name: json.dumps(value) if isinstance(value, list) else value for name, value in sorted(dumped.items())}
    values["checksum"] = row_checksum(*values.values())
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    return bool(db.execute(f"{verb} INTO {row.kind} ({columns}) VALUES ({places})", values).rowcount)


def row_checksum(*values: object) -> int:
    """Return the CRC-32 of a row: its values in the order of the names of their columns."""
    return zlib.crc32(json.dumps([int(value) if isinstance(value, bool) else value for value in values]).encode())


def summed_columns(db: Connection, kind: str) -> str:
    """Return the columns of a table of rows that its checksum covers, in order, separated by commas."""
    names = {name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (kind,))}
    return ", ".join(sorted(names - _NOT_SUMMED))


def to_row(row_type: type[T], columns: Mapping[str, object], seq: int = 0) -> T:
    """Return a row of a table as a wire row.

    Raises DamagedRowError if it is not what was stored.
    """
    values = {name: value for name, value in sorted(columns.items()) if name not in _NOT_SUMMED}
    try:
        if columns["checksum"] != row_checksum(*values.values()):
            raise DamagedRowError(f"row {columns['id']}: its checksum is wrong")
        lists = {name: json.loads(str(values[name])) for name in ("replaces",) if name in values}
        return row_type.model_validate({**values, **lists, "seq": seq})
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedRowError(str(error)) from error


def to_owner(columns: Mapping[str, object]) -> Owner:
    """Return whose a row of a table is."""
    return Owner(str(columns["site"]), str(columns["device"]))


def read_rows(db: Connection, condition: str, values: Sequence[object]) -> Sequence[QueuedRow]:
    """Return the rows of the outbox that meet a condition, in the order of their numbers.

    Raises DamagedRowError if one of them is missing, or is not what was stored.
    """
    queued = db.execute(f"SELECT seq, kind, id FROM outbox WHERE {condition}", values).fetchall()
    rows: list[QueuedRow] = []
    for kind, row_type in ROW_TYPES.items():
        seqs = {id_: seq for seq, row_kind, id_ in queued if row_kind == kind}
        query = f"SELECT * FROM {kind} WHERE id IN (SELECT value FROM json_each(?))"
        stored = column_dicts(db.execute(query, (json.dumps([*seqs]),)))
        rows += (QueuedRow(to_row(row_type, each, seqs[each["id"]]), to_owner(each)) for each in stored)
    if len(rows) != len(queued):
        raise DamagedRowError(f"{len(queued) - len(rows)} rows of the outbox are missing")
    return sorted(rows, key=lambda queued: queued.seq)


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
