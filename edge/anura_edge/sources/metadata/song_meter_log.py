"""Reads a Song Meter's `PREFIX_A_Summary.txt`: one line per minute about battery and temperature, while it is on.

Headers differ by model and firmware (SM3 1.35A, SM4, and newer SM4, which name the columns of the hemisphere), so
columns are found by name. The header is written at every power-on (Song Meter Micro 2 user guide).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from anura_edge.sources.metadata.resolve import Position
from anura_edge.sources.metadata.text import first_number

MAX_LINE_BYTES = 4_096

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # in any locale
_VOLTS, _DEGREES = "POWER(V)", "TEMP(C)"


@dataclass(frozen=True, slots=True)
class ReadingRange:
    """First, last, lowest and highest value of a reading."""

    first: float
    last: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class StatusLog:
    """What a recorder logged about its own state."""

    rows: int
    first: datetime
    """The recorder's local time."""
    last: datetime
    power_ons: int
    battery_v: ReadingRange | None
    temperature_c: ReadingRange | None
    position: Position | None


class RangeTracker:
    """Collects the range of a reading."""

    def __init__(self) -> None:
        self.range: ReadingRange | None = None

    def add(self, value: float | None) -> None:
        """Take the next value. None, a moment without a value, is skipped."""
        if value is None:
            return
        before = self.range or ReadingRange(value, value, value, value)
        self.range = ReadingRange(before.first, value, min(before.lowest, value), max(before.highest, value))


def read_summary(lines: Iterable[bytes]) -> StatusLog | None:
    """Read the lines of a summary, or of several summaries of one recorder in order. None if no line is valid."""
    columns: list[str] = []
    rows, power_ons, times = 0, 0, list[datetime]()
    volts, degrees, position = RangeTracker(), RangeTracker(), None
    for line in lines:
        cells = [cell.strip() for cell in line.decode("latin-1").split(",")]
        if cells[0] == "DATE":
            columns, power_ons = _with_hemispheres(cells), power_ons + 1
            continue
        row = dict(zip(columns, cells, strict=False))
        if not (time := _time(row.get("DATE", ""), row.get("TIME", ""))):
            continue
        times = [min([time, *times]), max([time, *times])]
        rows += 1
        volts.add(first_number(row.get(_VOLTS)))
        degrees.add(first_number(row.get(_DEGREES)))
        position = position or _position(row)
    return StatusLog(rows, times[0], times[1], power_ons, volts.range, degrees.range, position) if rows else None


def _with_hemispheres(cells: Sequence[str]) -> list[str]:
    """Name the blank columns after LAT and LON as newer firmware does, and remove degree signs."""
    names = [cell.replace("°", "") for cell in cells]
    for coordinate, hemisphere in (("LAT", "NS"), ("LON", "EW")):
        if coordinate in names and names.index(coordinate) + 1 < len(names):
            names[names.index(coordinate) + 1] = hemisphere
    return names


def _time(date: str, clock: str) -> datetime | None:
    try:
        (year, month, day), (hour, minute, second) = date.split("-"), clock.split(":")
        return datetime(int(year), 1 + _MONTHS.index(month), int(day), int(hour), int(minute), int(second))
    except (ValueError, OverflowError):
        return None


def _position(row: dict[str, str]) -> Position | None:
    north, east = first_number(row.get("LAT")), first_number(row.get("LON"))
    if north is None or east is None:
        return None
    return Position.on_earth(-north if row.get("NS") == "S" else north, -east if row.get("EW") == "W" else east)
