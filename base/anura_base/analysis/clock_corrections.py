"""Corrections, by people, of the times of recordings whose clock source is `unknown`.

A person who knows the UTC offset of a recorder, or the start of a recording, sets it afterwards. Each correction is
stored with its author, and each corrected row names its correction. A later correction of the same recording counts
from the recorder's own time, not from the earlier correction.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Row,
    Table,
    Text,
    bindparam,
    func,
    select,
    update,
)

from anura_base.db.schema import ArrivalNumber, UtcDateTime, effort, events, metadata, unknown_clock
from anura_edge.audio import ClockSource
from anura_edge.wire import FIRST_UTC, LAST_UTC

clock_corrections = Table(
    "clock_corrections",
    metadata,
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("site", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("recording", Text, nullable=False),
    Column("recording_name", Text, nullable=False),
    Column("shift_s", Double, nullable=False),  # added to the recorder's own time
    Column("corrected_by", Text, nullable=False),
    Column("corrected_utc", UtcDateTime, nullable=False),
    Index("clock_corrections_by_recording", "recording"),
    sqlite_autoincrement=True,
)

CHUNK_ROWS = 5_000


def apply_stored_corrections(connection: Connection, recordings: Collection[str]) -> None:
    """Correct rows that arrived after a correction of their recording, also from another device that analysed it."""
    c = clock_corrections.c
    latest = select(func.max(c.number)).where(c.recording.in_(recordings)).group_by(c.recording)
    for row in connection.execute(select(clock_corrections).where(c.number.in_(latest))).all():
        for table in (events, effort):
            unknown = table.c.recording == row.recording, unknown_clock(table)
            shift_times(connection, table, unknown, row.shift_s, corrected_columns(row.number))


def shift_times(
    connection: Connection,
    table: Table,
    conditions: Sequence[ColumnElement[bool]],
    shift_s: float,
    other: Mapping[str, Any],
) -> None:
    """Move the times of rows of `events` or `effort`, and set other columns, after which no condition may hold.

    A row whose time would leave the limits of times keeps its time and its columns.
    """
    times = [name for name in ("start_utc", "end_utc") if name in table.c]
    query = select(table.c.arrival, *(table.c[name] for name in times)).where(*conditions).order_by(table.c.arrival)
    after = 0
    while rows := connection.execute(query.where(table.c.arrival > after).limit(CHUNK_ROWS)).all():
        after = rows[-1].arrival
        moved = [new for row in rows if (new := _moved(row, times, shift_s))]
        if moved:
            change = update(table).where(table.c.arrival == bindparam("b_arrival"))
            connection.execute(change.values({**{name: bindparam(name) for name in times}, **other}), moved)


def _moved(row: Row[Any], times: Sequence[str], shift_s: float) -> dict[str, Any] | None:
    try:
        moved = {name: getattr(row, name) + timedelta(seconds=shift_s) for name in times}
    except OverflowError:
        return None
    within = all(FIRST_UTC < moment < LAST_UTC for moment in moved.values())
    return {"b_arrival": row.arrival, **moved} if within else None


def corrected_columns(number: int) -> dict[str, Any]:
    """Return the columns of rows that a correction has changed: a recorder's own clock, whose offset is known now."""
    return {"clock_source": ClockSource.RECORDER.value, "clock_correction": number}
