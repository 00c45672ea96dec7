"""A device over weeks: its health by hour, its nights, and what people wrote about it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from anura_base.analysis.effort import MAX_EFFORT_SPAN, analysed_hours_by_night
from anura_base.analysis.last_day import LAST_DAY
from anura_base.analysis.verdicts import JUDGED_EVENTS, is_counted
from anura_base.config.settings import Site
from anura_base.db.device_tables import device_notes, health_hours
from anura_base.db.engine import key_matches
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.nights import night, night_date

WEEKS = 4
MAX_NOTES = 200


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """What the rows of a device say about its microphone and its clock."""

    level_dbfs: float | None
    """The mean level of its calls of the last 24 hours."""
    clocks: Sequence[str]
    """The clock sources of its effort of the last 24 hours, the most frequent first."""
    without_time: int
    """Rows of any age whose clock source is `unknown`."""


def read_rows(connection: Connection, key: dict[str, str], now: datetime) -> DeviceRows:
    """Return what the rows of a device say."""
    calls, hours = key_matches(events, key), key_matches(effort, key)
    recent = events.c.start_utc.between(now - LAST_DAY, now), ~unknown_clock(events), is_counted()
    level = select(func.avg(events.c.level_dbfs)).select_from(JUDGED_EVENTS).where(*calls, *recent)
    number = func.count()
    clocks = select(effort.c.clock_source).where(*hours, effort.c.start_utc >= now - LAST_DAY)
    clocks = clocks.group_by(effort.c.clock_source).order_by(number.desc())
    without_time = (
        connection.scalar(select(number).select_from(table).where(*key_matches(table, key), unknown_clock(table))) or 0
        for table in (events, effort)
    )
    return DeviceRows(connection.scalar(level), connection.scalars(clocks).all(), sum(without_time))


class NoteKind(StrEnum):
    """What a note is about."""

    NOTE = "note"
    MAINTENANCE = "maintenance"
    """Work at the device: a new battery, card or microphone."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One value of the health messages, by hour."""

    name: str
    unit: str
    factor: float
    """From the unit of the message to `unit`."""
    column: str


MEASURES = (
    Measure("Backlog", "rows", 1, "pending"),
    Measure("Battery", "%", 1, "battery_percent"),
    Measure("Disk free", "GB", 1e-9, "disk_free_bytes"),
    Measure("Temperature", "°C", 1, "temperature_c"),
    Measure("Audio dropped since the start of the program", "s", 1, "dropped_s"),
    Measure("Clock drift of the microphone", "ppm", 1, "drift_ppm"),
)


@dataclass(frozen=True, slots=True)
class DeviceNight:
    """One night of a device."""

    evening: date
    analysed_h: float
    calls: int


def read_hours(connection: Connection, key: dict[str, str], now: datetime) -> Sequence[Row[Any]]:
    """Return the hours of health of the last WEEKS weeks, the oldest first."""
    last = int(now.timestamp() // 3_600)
    recent = health_hours.c.hour.between(last - WEEKS * 7 * 24 + 1, last)
    query = select(health_hours).where(*key_matches(health_hours, key), recent)
    return connection.execute(query.order_by(health_hours.c.hour)).all()


def series(hours: Sequence[Row[Any]], measure: Measure) -> list[tuple[int, float]]:
    """Return hour and value of each hour that has the value."""
    values = ((row.hour, getattr(row, measure.column)) for row in hours)
    return [(hour, value * measure.factor) for hour, value in values if value is not None]


def read_nights(connection: Connection, key: dict[str, str], site: Site, now: datetime) -> list[DeviceNight]:
    """Return the nights of the last WEEKS weeks, the newest first."""
    last = night_date(now, site)
    first = last - timedelta(days=WEEKS * 7 - 1)
    begin = night(site, first).begin_utc
    conditions = [*key_matches(effort, key), effort.c.start_utc >= begin - MAX_EFFORT_SPAN, ~unknown_clock(effort)]
    hours = analysed_hours_by_night(connection, {key["site"]: site}, *conditions).get((key["site"], key["device"]), {})
    query = select(events.c.start_utc).select_from(JUDGED_EVENTS)
    started = events.c.start_utc >= begin, events.c.start_utc <= now
    query = query.where(*key_matches(events, key), *started, ~unknown_clock(events), is_counted())
    calls = Counter(night_date(moment, site) for moment in connection.scalars(query))
    evenings = (last - timedelta(days=age) for age in range((last - first).days + 1))
    return [DeviceNight(evening, hours.get(evening, 0.0), calls[evening]) for evening in evenings]


def add_note(connection: Connection, key: dict[str, str], author: str, kind: NoteKind, text: str) -> None:
    """Add a note about a device."""
    values = {**key, "utc": datetime.now(UTC), "author": author, "kind": kind.value, "text": text}
    connection.execute(insert(device_notes).values(values))


def notes_of(connection: Connection, key: dict[str, str]) -> Sequence[Row[Any]]:
    """Return the latest MAX_NOTES notes about a device, the newest first."""
    query = select(device_notes).where(*key_matches(device_notes, key))
    return connection.execute(query.order_by(device_notes.c.number.desc()).limit(MAX_NOTES)).all()
