"""Strips: charts of one value over equal columns, as paths of an SVG that stretches to any width.

A column without effort is hatched. A zero is a dot at the bottom, and any other value a bar from the bottom, so they
differ without colour, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

HEIGHT = 100.0
"""Height of a strip in units of its view box. Its width is 100."""

MIN_BAR = 12.0
"""Height of the smallest bar, so that it is visible."""

SHORT_NIGHTS = 50
"""Up to this number of nights, days are named and not months."""

MAX_TICKS = 6
"""More names of months do not fit on a phone."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of a chart."""

    name: str
    bars: str
    """The bars, for SVG's `path`."""
    zeros: str
    """A dot in the middle of each column with a zero."""
    unsampled: Sequence[tuple[str, str]]
    """Left edge and width of each run of columns without effort, in percent."""
    readings: str
    """The text of each column, separated by `|`."""
    begin: date
    """Date of the first column."""
    step_days: int
    """Nights of a column."""
    link: str
    """Address of the calls of a column, without its nights; empty if there is none."""
    top: str
    """Text of the value at the upper edge."""


@dataclass(frozen=True, slots=True)
class StripChart:
    """Strips with a common horizontal axis."""

    strips: Sequence[Strip]
    ticks: Sequence[tuple[str, str]]
    """Position in percent, and text."""
    height_px: int = 46
    middle: str = ""
    """Text of a line at half of the height; empty for none."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a strip stand for."""

    begin: date
    step_days: int = 1
    link: str = ""


Value = float | tuple[float, float] | None
"""A value, the begin and end of a range, or None without effort."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The values at the lower and at the upper edge of a strip, and the text of the upper one."""

    top: float
    text: str
    low: float = 0.0


def make_strip(name: str, columns: Columns, scale: Scale, values: Sequence[Value], readings: Sequence[str]) -> Strip:
    """Draw values. `readings` has the text of each column."""
    low, top = scale.low, scale.top
    width = 100 / max(len(values), 1)
    bars, zeros = [], []
    for number, value in enumerate(values):
        x = number * width
        if value is None:
            continue
        if isinstance(value, tuple):
            bars.append(_bar(x, width, *(_share(each, low, top) for each in value)))
        elif value <= low:
            zeros.append(f"M{x + width / 2:.3f} {HEIGHT - 6:g}h0")
        else:
            bars.append(_bar(x, width, 0.0, _share(value, low, top)))
    texts = "|".join(text.replace("|", "/") for text in readings)
    return Strip(
        name,
        "".join(bars),
        "".join(zeros),
        _unsampled(values, width),
        texts,
        columns.begin,
        columns.step_days,
        columns.link,
        scale.text,
    )


def date_ticks(first: date, nights: int) -> list[tuple[str, str]]:
    """Return position and text of some dates: the first of each month, or each seventh night of a short period."""
    days = [first + timedelta(days=number) for number in range(nights)]
    if nights <= SHORT_NIGHTS:
        named = {day: f"{day:%d %b}" for day in days[::7]}
    else:
        months = [day for day in days if day.day == 1]
        step = -(-len(months) // MAX_TICKS)
        named = {day: f"{day:%b %Y}" if nights > 366 else f"{day:%b}" for day in months[::step]}
    return [(f"{100 * (day - first).days / nights:.2f}%", text) for day, text in named.items()]


def _share(value: float, low: float, top: float) -> float:
    return min(max((value - low) / (top - low), 0.0), 1.0) if top > low else 0.0


def _bar(x: float, width: float, low: float, high: float) -> str:
    height = max((high - low) * HEIGHT, MIN_BAR)
    y = min(HEIGHT - low * HEIGHT, HEIGHT)
    gap = 0.1 * width
    return f"M{x + gap:.3f} {y:.1f}v{-height:.1f}h{width - 2 * gap:.3f}v{height:.1f}z"


def _unsampled(values: Sequence[Value], width: float) -> list[tuple[str, str]]:
    runs, position = [], 0
    for is_empty, run in groupby(value is None for value in values):
        length = len([*run])
        if is_empty:
            runs.append((f"{position * width:.3f}%", f"{length * width:.3f}%"))
        position += length
    return runs
