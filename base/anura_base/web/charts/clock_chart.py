"""Nocturnal clock: calls per hour of analysed audio by local hour, as sectors around a dial with 24 hours."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anura_base.analysis.heatmaps import Cell
from anura_base.web.charts.heatmap_columns import local_hour

CENTRE = 170.0
INNER, OUTER = 36.0, 138.0
LABELS = 154.0


@dataclass(frozen=True, slots=True)
class Sector:
    """One hour of the dial."""

    hour: int
    """Local hour, from 0 to 23."""
    cell: Cell
    path: str
    """Outline of the value, for SVG's `path`; empty if there is none."""
    whole: str
    """Outline of the whole hour."""
    label_x: float
    label_y: float
    zero_x: float
    """Where a zero has its dot."""
    zero_y: float


def clock_chart(cells: Mapping[int, Cell]) -> Sequence[Sector]:
    """Return the sectors of the hours since noon, midnight at the top."""
    top = max((cell.rate or 0.0 for cell in cells.values()), default=0.0)
    return [_sector(hours, cell, top) for hours, cell in sorted(cells.items())]


def _sector(hours_since_noon: int, cell: Cell, top: float) -> Sector:
    share = (cell.rate or 0.0) / top if top else 0.0
    radius = INNER + share * (OUTER - INNER) if share else 0.0
    x, y = _point(hours_since_noon + 0.5, LABELS)
    zero_x, zero_y = _point(hours_since_noon + 0.5, INNER + 6)
    whole = _outline(hours_since_noon, OUTER)
    value = _outline(hours_since_noon, max(radius, INNER + 4)) if share else ""
    places = (round(each, 1) for each in (x, y, zero_x, zero_y))
    return Sector(local_hour(hours_since_noon), cell, value, whole, *places)


def _outline(hours_since_noon: int, radius: float) -> str:
    a, b = _point(hours_since_noon, INNER), _point(hours_since_noon, radius)
    c, d = _point(hours_since_noon + 1, radius), _point(hours_since_noon + 1, INNER)
    return (
        f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}A{radius:.1f} {radius:.1f} 0 0 1 {c[0]:.1f} {c[1]:.1f}"
        f"L{d[0]:.1f} {d[1]:.1f}A{INNER:g} {INNER:g} 0 0 0 {a[0]:.1f} {a[1]:.1f}z"
    )


def _point(hours_since_noon: float, radius: float) -> tuple[float, float]:
    """Return a point of the dial: noon at the bottom, midnight at the top, clockwise."""
    angle = math.pi / 2 + hours_since_noon * math.pi / 12
    return CENTRE + radius * math.cos(angle), CENTRE + radius * math.sin(angle)
