"""Corrections, by people, of the times of recordings whose clock source is `unknown`.

A person who knows the UTC offset of a recorder, or the start of a recording, sets it afterwards. Each correction is
stored with its author, and each corrected row names its correction. A later correction of the same recording counts
from the recorder's own time, not from the earlier correction.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Row,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    select,
    update,
)

from anura_base.db.engine import key_matches
from anura_base.db.schema import ArrivalNumber, UtcDateTime, effort, events, metadata, unknown_clock
from anura_edge.audio import ClockSource
from anura_edge.errors import ConfigError
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

FIRST, LAST = datetime(1950, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Between these times a corrected recording must begin."""

RecordingKey = tuple[str, str, str]
"""Site, device and id of a recording."""


def set_offset(
    connection: Connection, site: str, device: str, recording: str | None, offset: timedelta, person: str
) -> int:
    """Correct recordings with the UTC offset of their recorder. Return how many recordings were corrected.

    Without a `recording` these are all recordings of the device whose clock is unknown.

    Raises ConfigError if there is no such recording.
    """
    keys = [(site, device, recording)] if recording is not None else list(_unknown_keys(connection, site, device))
    if not keys:
        raise ConfigError(f"no recording of {site}/{device} has an unknown clock")
    for key in keys:
        _correct(connection, key, -offset.total_seconds(), person)
    return len(keys)


def set_start(connection: Connection, site: str, device: str, recording: str, start: datetime, person: str) -> None:
    """Correct a recording with the time of its first sample.

    Raises ConfigError if there is no such recording whose clock is unknown or was corrected.
    """
    key = site, device, recording
    shift = start - _recorder_start(connection, key)
    _correct(connection, key, shift.total_seconds(), person)


def apply_stored_corrections(connection: Connection, recordings: Collection[str]) -> None:
    """Correct rows that arrived after a correction of their recording."""
    c = clock_corrections.c
    latest = select(func.max(c.number)).where(c.recording.in_(recordings)).group_by(c.site, c.device, c.recording)
    for row in connection.execute(select(clock_corrections).where(c.number.in_(latest))).all():
        key = {"site": row.site, "device": row.device, "recording": row.recording}
        for table in (events, effort):
            unknown = *key_matches(table, key), unknown_clock(table)
            shift_times(connection, table, unknown, row.shift_s, _corrected(row.number))


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


def _correct(connection: Connection, key: RecordingKey, shift_s: float, person: str) -> None:
    columns = dict(zip(("site", "device", "recording"), key, strict=True))
    start = _recorder_start(connection, key) + timedelta(seconds=shift_s)
    if not FIRST <= start < LAST:
        raise ConfigError(f"the recording would begin at {start:%Y-%m-%d}; give a start from 1950 to 2199")
    earlier = connection.execute(select(clock_corrections).where(*key_matches(clock_corrections, columns))).all()
    row = {**columns, "recording_name": _name(connection, columns), "shift_s": shift_s, "corrected_by": person}
    inserted = connection.execute(insert(clock_corrections).values(**row, corrected_utc=datetime.now(UTC)))
    assert inserted.inserted_primary_key  # noqa: S101  (the table has one)
    values = _corrected(inserted.inserted_primary_key[0])
    for table in (events, effort):
        of_recording = key_matches(table, columns)
        shift_times(connection, table, [*of_recording, unknown_clock(table)], shift_s, values)
        for each in earlier:
            by_earlier = [*of_recording, table.c.clock_correction == each.number]
            shift_times(connection, table, by_earlier, shift_s - each.shift_s, values)


def _corrected(number: int) -> dict[str, Any]:
    # A recorder's own clock with an offset that is known now.
    return {"clock_source": ClockSource.RECORDER.value, "clock_correction": number}


def _unknown_keys(connection: Connection, site: str, device: str) -> Iterator[RecordingKey]:
    keys = {
        recording
        for table in (events, effort)
        for recording in connection.scalars(
            select(table.c.recording)
            .where(table.c.site == site, table.c.device == device, unknown_clock(table))
            .distinct()
        )
    }
    return ((site, device, recording) for recording in sorted(keys))


def _of_recording(columns: Mapping[str, Any]) -> Iterator[Select[Any]]:
    """Yield queries for rows that may be corrected: name, time, position and earlier shift."""
    for table, first in ((events, events.c.onset_sample), (effort, effort.c.first_sample)):
        c = clock_corrections.c
        earlier = and_(c.number == table.c.clock_correction)
        row = table.c.recording_name, table.c.start_utc, first.label("sample"), table.c.rate_hz, c.shift_s
        query = select(*row).select_from(table.outerjoin(clock_corrections, earlier))
        may_change = unknown_clock(table) | table.c.clock_correction.is_not(None)
        yield query.where(*key_matches(table, columns), may_change).limit(1)


def _any_row(connection: Connection, columns: Mapping[str, Any]) -> Row[Any]:
    for query in _of_recording(columns):
        if row := connection.execute(query).first():
            return row
    raise ConfigError(
        f"{columns['site']}/{columns['device']} has no recording {columns['recording']} whose clock is unknown"
    )


def _name(connection: Connection, columns: Mapping[str, Any]) -> str:
    return str(_any_row(connection, columns).recording_name)


def _recorder_start(connection: Connection, key: RecordingKey) -> datetime:
    """Return the time of the first sample by the recorder's own clock, as if it was UTC."""
    row = _any_row(connection, dict(zip(("site", "device", "recording"), key, strict=True)))
    begin: datetime = row.start_utc - timedelta(seconds=row.sample / row.rate_hz)
    return begin - timedelta(seconds=row.shift_s or 0.0)
