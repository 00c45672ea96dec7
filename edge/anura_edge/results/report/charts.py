"""Charts as SVG text. Each text of the data is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

from anura_edge.results.report.colour_scale import colour_scale
from anura_edge.results.report.grid import RateGrid

CELL, ROW, LABELS, HEAD = 14, 18, 220, 74
"""Sizes in pixels: width of a cell, height of a row, width of the row labels, height of the column heads."""

PLOT_W, PLOT_H, MARGIN = 720, 220, 44
MAX_LINES = 6
"""More lines cannot be distinguished."""

HATCH = (
    '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="5" height="5" fill="#fff"/><line x1="0" y1="0" x2="0" y2="5" stroke="#9aa396"/></pattern></defs>'
)
"""The pattern of what was not sampled. Each page has it once."""


def heatmap(grid: RateGrid, title: str, unit: str = "calls per hour analysed") -> str:
    """Return a heatmap. Hatched: not sampled. White with a dot: no call. Coloured: calls."""
    scale = colour_scale(max((cell.rate for cell in grid.cells.values()), default=0.0))
    parts = [_column_head(number, name) for number, name in enumerate(grid.columns)]
    for y, row in enumerate(grid.rows):
        top = HEAD + y * ROW
        parts.append(f'<text x="{LABELS - 6}" y="{top + 13}" text-anchor="end" class="name">{escape(row)}</text>')
        for x, column in enumerate(grid.columns):
            cell = grid.cells.get((row, column))
            shown = "not sampled"
            if cell:
                shown = f"{cell.bouts} calls in {cell.hours:.1f} h, {cell.rate:.2g} {unit}"
            kind = scale.css_class(cell.rate if cell else None)
            parts.append(_cell(LABELS + x * CELL, top, kind, f"{row}, {column}: {shown}"))
    width, height = LABELS + CELL * len(grid.columns) + 8, HEAD + ROW * len(grid.rows) + 4
    return _svg(width, height, title, parts)


def legend(grid: RateGrid) -> str:
    """Return the legend of a heatmap as HTML."""
    scale = colour_scale(max((cell.rate for cell in grid.cells.values()), default=0.0))
    steps = [("none", "not sampled"), ("h0", "sampled, no call")]
    steps += [(f"h{number}", f"up to {bound:.2g}") for number, bound in enumerate(scale.bounds, 1) if scale.top]
    items = (
        f'<li><svg width="{CELL}" height="{ROW}">{_cell(0, 0, kind, text)}</svg>{escape(text)}</li>'
        for kind, text in steps
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def curves(grid: RateGrid, title: str, axis: str) -> str:
    """Return a line for each of the first MAX_LINES rows. A line has a gap where nothing was sampled."""
    rows = grid.rows[:MAX_LINES]
    top = max((grid.cells[key].rate for key in grid.cells if key[0] in rows), default=0.0) or 1.0
    step = PLOT_W / max(len(grid.columns), 1)
    parts = [_axes(title, axis, top)]
    for number, name in enumerate(grid.columns):
        x = MARGIN + (number + 0.5) * step
        parts.append(f'<text x="{x:.1f}" y="{PLOT_H + 32}" text-anchor="middle">{escape(name)}</text>')
    for line, row in enumerate(rows):
        for points in _runs(grid, row, step, top):
            parts.append(f'<polyline class="l{line + 1}" points="{" ".join(points)}"/>')
            parts += (f'<circle class="p{line + 1}" cx="{x}" cy="{y}" r="2.5"/>' for x, y in _pairs(points))
        y = 24 + 16 * line
        parts.append(f'<line class="l{line + 1}" x1="{PLOT_W + 60}" x2="{PLOT_W + 84}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{PLOT_W + 90}" y="{y + 4}" class="name">{escape(row)}</text>')
    return _svg(PLOT_W + 320, PLOT_H + 60, title, parts)


def bars(values: Mapping[str, float], title: str, unit: str) -> str:
    """Return a bar for each name. A bar of height 0 is a missing night."""
    top = max(values.values(), default=0.0) or 1.0
    step = PLOT_W / max(len(values), 1)
    parts = [_axes(title, unit, top)]
    for number, (name, value) in enumerate(values.items()):
        height = PLOT_H * value / top
        x, y = MARGIN + number * step, 20 + PLOT_H - height
        text = escape(f"{name}: {value:.1f} {unit}")
        parts.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{max(step - 1, 0.5):.1f}" height="{height:.1f}">'
            f"<title>{text}</title></rect>"
        )
        if number % max(1, len(values) // 10) == 0:
            parts.append(f'<text x="{x:.1f}" y="{PLOT_H + 34}">{escape(name)}</text>')
    return _svg(PLOT_W + 120, PLOT_H + 60, title, parts)


def _cell(x: float, y: float, kind: str, text: str) -> str:
    rectangle = f'<rect class="{kind}" x="{x}" y="{y}" width="{CELL - 1}" height="{ROW - 1}"/>'
    dot = f'<circle class="zero" cx="{x + CELL / 2 - 0.5}" cy="{y + ROW / 2 - 0.5}" r="1.2"/>' if kind == "h0" else ""
    return f"<g><title>{escape(text)}</title>{rectangle}{dot}</g>"


def _column_head(number: int, name: str) -> str:
    x = LABELS + number * CELL + 10
    return f'<text x="{x}" y="{HEAD - 6}" transform="rotate(-90 {x} {HEAD - 6})">{escape(name)}</text>'


def _runs(grid: RateGrid, row: str, step: float, top: float) -> Sequence[Sequence[str]]:
    """Return the points of each part of a line without a gap."""
    runs: list[list[str]] = [[]]
    for number, column in enumerate(grid.columns):
        cell = grid.cells.get((row, column))
        if cell is None:
            runs.append([])
        else:
            runs[-1].append(f"{MARGIN + (number + 0.5) * step:.1f},{20 + PLOT_H * (1 - cell.rate / top):.1f}")
    return [run for run in runs if run]


def _pairs(points: Sequence[str]) -> Sequence[Sequence[str]]:
    return [point.split(",") for point in points]


def _axes(title: str, axis: str, top: float) -> str:
    bottom = 20 + PLOT_H
    return (
        f'<line class="axis" x1="{MARGIN}" x2="{MARGIN + PLOT_W}" y1="{bottom}" y2="{bottom}"/>'
        f'<line class="axis" x1="{MARGIN}" x2="{MARGIN}" y1="20" y2="{bottom}"/>'
        f'<text x="{MARGIN - 6}" y="24" text-anchor="end">{top:.2g}</text>'
        f'<text x="{MARGIN - 6}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{MARGIN}" y="{PLOT_H + 54}">{escape(title)}: {escape(axis)}</text>'
    )


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
