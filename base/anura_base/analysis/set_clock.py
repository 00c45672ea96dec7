"""A person sets the UTC offset of a recorder, or the start of a recording, whose clock is unknown."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, or_, select

from anura_base.analysis.clock_corrections import clock_corrections, corrected_columns, shift_times
from anura_base.db.engine import key_matches
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.errors import ConfigError
from anura_edge.wire import FIRST_UTC, LAST_UTC

_OFFSET = re.compile(r"([+-])(\d{2}):([0-5]\d)", re.ASCII)
MAX_OFFSET = timedelta(hours=14)
"""No time zone is further from UTC."""

_AMOUNTS = ((events, events.c.onset_sample), (effort, effort.c.first_sample))
"""The tables whose times are corrected, and the position of their rows in the recording."""


def parse_offset(text: str) -> timedelta:
    """Return a UTC offset, as in +10:00.

    Raises ConfigError if it is not one.
    """
    found = _OFFSET.fullmatch(text)
    offset = found and timedelta(hours=int(found[2]), minutes=int(found[3])) * (-1 if found[1] == "-" else 1)
    if offset is None or abs(offset) > MAX_OFFSET:
        raise ConfigError(f"{text!r} is not a UTC offset; write it as in +10:00 or -03:00")
    return offset


def parse_start(text: str) -> datetime:
    """Return a moment with its offset from UTC, as in 2026-05-01T21:30:00+10:00.

    Raises ConfigError if it is not one.
    """
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = datetime.min
    if start.tzinfo is None:
        raise ConfigError(f"{text!r} is not a time with its offset; write it as in 2026-05-01T21:30:00+10:00")
    return start


def set_offset(
    connection: Connection, site: str, device: str, recording: str | None, offset: timedelta, person: str
) -> int:
    """Correct recordings with the UTC offset of their recorder. Return how many recordings were corrected.

    `recording` is an id or a name. Without it these are all recordings of the device whose clock is unknown.

    Raises ConfigError if there is no such recording.
    """
    found = _recordings(connection, site, device, recording)
    for each in found:
        _correct(connection, site, device, each, -offset, person)
    return len(found)


def set_start(connection: Connection, site: str, device: str, recording: str, start: datetime, person: str) -> None:
    """Correct a recording with the time of its first sample. `recording` is an id or a name.

    Raises ConfigError if there is no such recording whose clock is unknown or was corrected, or more than one.
    """
    found = _recordings(connection, site, device, recording)
    if len(found) > 1:
        raise ConfigError(f"{len(found)} recordings have the name {recording}; give one of the ids {', '.join(found)}")
    _, recorder_start = _name_and_recorder_start(connection, site, device, found[0])
    try:
        shift = start - recorder_start
    except OverflowError as error:
        raise _out_of_range(start) from error
    _correct(connection, site, device, found[0], shift, person)


def _recordings(connection: Connection, site: str, device: str, recording: str | None) -> Sequence[str]:
    """Return the ids of the recordings that may be corrected."""
    ids: set[str] = set()
    for table, _ in _AMOUNTS:
        c = table.c
        query = select(c.recording).where(c.site == site, c.device == device).distinct()
        if recording is None:
            query = query.where(unknown_clock(table))
        else:
            named = or_(c.recording == recording, c.recording_name == recording)
            query = query.where(named, or_(unknown_clock(table), c.clock_correction.is_not(None)))
        ids.update(connection.scalars(query))
    if not ids:
        which = "no recording" if recording is None else f"no recording {recording}"
        raise ConfigError(f"{site}/{device} has {which} whose clock is unknown; `anura-base clock list` shows them")
    return sorted(ids)


def _correct(connection: Connection, site: str, device: str, recording: str, shift: timedelta, person: str) -> None:
    key = {"site": site, "device": device, "recording": recording}
    name, recorder_start = _name_and_recorder_start(connection, site, device, recording)
    try:
        start = recorder_start + shift
    except OverflowError as error:
        raise _out_of_range(recorder_start) from error
    if not FIRST_UTC < start < LAST_UTC:
        raise _out_of_range(start)
    of_recording = clock_corrections.c.recording == recording
    earlier = connection.execute(select(clock_corrections).where(of_recording)).all()
    shift_s = shift.total_seconds()
    row = {**key, "recording_name": name, "shift_s": shift_s, "corrected_by": person}
    row["corrected_utc"] = datetime.now(UTC)
    inserted = connection.execute(insert(clock_corrections).values(row).returning(clock_corrections.c.number))
    columns = corrected_columns(inserted.scalar_one())
    for table, _ in _AMOUNTS:
        of_device = key_matches(table, key)
        shift_times(connection, table, [*of_device, unknown_clock(table)], shift_s, columns)
        for each in earlier:
            by_earlier = [*of_device, table.c.clock_correction == each.number]
            shift_times(connection, table, by_earlier, shift_s - each.shift_s, columns)


def _name_and_recorder_start(connection: Connection, site: str, device: str, recording: str) -> tuple[str, datetime]:
    """Return the name of a recording, and the time of its first sample by the recorder's own clock, read as UTC."""
    for table, sample in _AMOUNTS:
        c = table.c
        corrections = table.outerjoin(clock_corrections, clock_corrections.c.number == c.clock_correction)
        columns = c.recording_name, c.start_utc, sample.label("sample"), c.rate_hz, clock_corrections.c.shift_s
        may_change = or_(unknown_clock(table), c.clock_correction.is_not(None))
        of_recording = c.site == site, c.device == device, c.recording == recording
        query = select(*columns).select_from(corrections).where(*of_recording, may_change).limit(1)
        if row := connection.execute(query).first():
            since_start_s = row.sample / row.rate_hz + (row.shift_s or 0.0)
            return row.recording_name, row.start_utc - timedelta(seconds=since_start_s)
    raise ConfigError(f"{site}/{device} has no recording {recording} whose clock is unknown")


def _out_of_range(start: datetime) -> ConfigError:
    return ConfigError(f"the recording would begin in the year {start.year}; give another offset or start")
