"""Chart of one value by hour, as points of an SVG. A line has a gap where the value is unknown."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600.0, 60.0

LONGEST_STEP_H = 3
"""Hours without a value after which the line has a gap."""


@dataclass(frozen=True, slots=True)
class HistoryChart:
    """A value over time."""

    parts: Sequence[str]
    """Points of each part without a gap, for SVG's `polyline`."""
    low: float
    high: float
    latest: float


def history_chart(values: Sequence[tuple[int, float]], first: int, last: int) -> HistoryChart | None:
    """Return the chart of (hour, value) from the hour `first` to `last`, or None without a value."""
    if not values:
        return None
    low, high = min(value for _, value in values), max(value for _, value in values)
    height = high - low or 1.0
    parts: list[list[str]] = []
    before = None
    for hour, value in values:
        if before is None or hour - before > LONGEST_STEP_H:
            parts.append([])
        x = (hour - first + 0.5) * WIDTH / (last - first + 1)
        y = 2 + (HEIGHT - 4) * (high - value) / height
        # Each hour is a short line, so that a single one is visible.
        parts[-1] += [f"{x:.1f},{y:.1f}", f"{x + 0.5:.1f},{y:.1f}"]
        before = hour
    return HistoryChart([" ".join(points) for points in parts], low, high, values[-1][1])
