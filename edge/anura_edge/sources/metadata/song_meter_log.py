"""Reads a Song Meter's `PREFIX_A_Summary.txt`: a line a minute, while it is on, about its battery and temperature.

Headers differ by model and firmware (SM3 1.35A, SM4, and newer SM4, which name the columns of the hemisphere), so
columns are found by name. The header comes again at every power-on (Song Meter Micro 2 user guide).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from anura_edge.sources.metadata.resolve import Position
from anura_edge.sources.metadata.text import first_number

MAX_LINE_BYTES = 4_096

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # whatever the locale
_VOLTS, _DEGREES = "POWER(V)", "TEMP(C)"


@dataclass(frozen=True, slots=True)
class ReadingRange:
    """How a reading went."""

    first: float
    last: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class StatusLog:
    """What a recorder noted of its own state."""

    rows: int
    first: datetime
    """The recorder's local time."""
    last: datetime
    power_ons: int
    battery_v: ReadingRange | None
    temperature_c: ReadingRange | None
    position: Position | None


class RangeTracker:
    """Follow a reading; None is a moment without one."""

    def __init__(self) -> None:
        self.curve: ReadingRange | None = None

    def add(self, value: float | None) -> None:
        """Take the next reading."""
        if value is None:
            return
        now = self.curve or ReadingRange(value, value, value, value)
        self.curve = ReadingRange(now.first, value, min(now.lowest, value), max(now.highest, value))


def read_summary(lines: Iterable[bytes]) -> StatusLog | None:
    """Read the lines of a summary, or of one recorder's several, in order; None if no line makes sense."""
    columns: list[str] = []
    rows, power_ons, times = 0, 0, list[datetime]()
    volts, degrees, place = RangeTracker(), RangeTracker(), None
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
        place = place or _position(row)
    return StatusLog(rows, times[0], times[1], power_ons, volts.curve, degrees.curve, place) if rows else None


def _with_hemispheres(cells: Sequence[str]) -> list[str]:
    """Name the blank columns behind LAT and LON as newer firmware does, and spell the degree sign away."""
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
