"""Line chart of calling rates as points of an SVG. A line has a gap where there is no effort."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anura_base.analysis.heatmaps import Cell, Grid

MAX_LINES = 6
"""More lines cannot be distinguished."""

WIDTH, HEIGHT = 800.0, 220.0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart, as points for SVG."""

    name: str
    parts: Sequence[str]
    """Points of each part without a gap, for SVG's `polyline`."""


@dataclass(frozen=True, slots=True)
class LineChart:
    """Lines and their vertical axis."""

    lines: Sequence[Line]
    top: float
    """Value of the upper edge, in calls per hour."""
    omitted: int
    """Number of rows without a line."""


def line_chart(grid: Grid) -> LineChart:
    """Return lines for the MAX_LINES rows with the most calls."""
    names = list(grid.rows)[:MAX_LINES]
    rates = (cell.rate for name in names for cell in grid.rows[name].values())
    top = _top(max((rate for rate in rates if rate), default=0.0))
    lines = [Line(name, _parts(grid.columns, grid.rows[name], top)) for name in names]
    return LineChart(lines, top, len(grid.rows) - len(names))


def _top(highest: float) -> float:
    """Return the next higher number whose quarters are short numbers, too."""
    if highest <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(factor * power for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if factor * power >= highest)


def _parts(columns: Sequence[int], cells: Mapping[int, Cell], top: float) -> list[str]:
    parts: list[list[str]] = [[]]
    for position, column in enumerate(columns):
        rate = cells[column].rate
        if rate is None:
            parts.append([])
        else:
            x = (position + 0.5) * WIDTH / len(columns)
            parts[-1].append(f"{x:.1f},{HEIGHT - (HEIGHT * rate / top if top else 0):.1f}")
    return [" ".join(points) for points in parts if points]
