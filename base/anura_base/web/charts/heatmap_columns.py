"""Views of the species heatmap and the heads of their columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

MAX_NAMED_NIGHTS = 31
"""With more nights there is room for the Mondays only."""


class ColumnView(StrEnum):
    """What a column of a heatmap stands for: a night, an hour since sunset or an hour of the day."""

    NIGHT = "night"
    SUNSET = "sunset"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class ColumnHead:
    """The texts at the head of a column of a heatmap."""

    group: str
    """Neighbouring columns of one group share a head above their own."""
    short: str
    long: str


def column_heads(columns: Sequence[int], view: ColumnView) -> list[ColumnHead]:
    """Return the heads of the columns of a heatmap."""
    if view is ColumnView.SUNSET:
        return [ColumnHead("", f"{h:+d}" if h else "0", f"{h:+d} to {h + 1:+d} h from sunset") for h in columns]
    if view is ColumnView.CLOCK:
        return [ColumnHead("", f"{h:02d}", f"{h:02d}:00 to {h:02d}:59") for h in map(local_hour, columns)]
    return [_night_head(date.fromordinal(number), len(columns)) for number in columns]


def local_hour(hours_since_noon: int) -> int:
    """Return the local hour of a column, from 0 to 23."""
    return (hours_since_noon + 12) % 24


def _night_head(day: date, nights: int) -> ColumnHead:
    is_named = nights <= MAX_NAMED_NIGHTS or not day.weekday()
    return ColumnHead(f"{day:%Y-%m}", f"{day:%d}" if is_named else "", f"{day:%d %B %Y}")
