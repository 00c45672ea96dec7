"""The charts of a report as PNG files, drawn by matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

from anura_edge.errors import ConfigError
from anura_edge.results.new_file import make_folder, partial_file
from anura_edge.results.report.charts import MAX_LINES
from anura_edge.results.report.grid import RateGrid
from anura_edge.results.report.page import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def write_plots(report: Report, folder: Path) -> None:
    """Write `heatmap.png`, `hours.png` and, with sunsets, `sunset.png`.

    Raises ConfigError if matplotlib is missing, or if a file exists or cannot be written.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ConfigError("PNG files need matplotlib; install anura-edge[plots]") from error
    figures = {"heatmap": _heatmap(report.heatmap, report.title), "hours": _curves(report.hourly, "hour (local clock)")}
    if report.sunset.columns:
        figures["sunset"] = _curves(report.sunset, "hours since sunset")
    make_folder(folder)
    for name, figure in figures.items():
        with partial_file(folder / f"{name}.png") as partial:
            figure.savefig(partial, format="png", dpi=DPI)


def _heatmap(grid: RateGrid, title: str) -> "Figure":
    import numpy as np
    from matplotlib.figure import Figure

    rates = np.full((len(grid.rows), len(grid.columns)), np.nan)
    for (row, column), cell in grid.cells.items():
        rates[grid.rows.index(row), grid.columns.index(column)] = cell.rate
    size = max(6.0, 3 + 0.16 * len(grid.columns)), max(2.5, 1.2 + 0.28 * len(grid.rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot(title=title)
    axes.patch.set(hatch="////", edgecolor="0.6", facecolor="white")  # what was not sampled
    axes.pcolormesh(np.ma.masked_invalid(0 * rates), cmap="Greys_r", vmin=-1, vmax=0)  # white: sampled, no call
    shown = np.ma.masked_where(~(rates > 0), rates)
    if shown.count():
        figure.colorbar(axes.pcolormesh(shown, cmap="viridis_r", norm="log"), label="calls per hour analysed")
    axes.set_yticks(np.arange(len(grid.rows)) + 0.5, grid.rows, fontstyle="italic", parse_math=False)
    step = max(1, len(grid.columns) // 30)
    axes.set_xticks(np.arange(0, len(grid.columns), step) + 0.5, grid.columns[::step], rotation=90)
    axes.invert_yaxis()
    return figure


def _curves(grid: RateGrid, axis: str) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot(xlabel=axis, ylabel="calls per hour analysed")
    for row in grid.rows[:MAX_LINES]:
        cells = [grid.cells.get((row, column)) for column in grid.columns]
        rates = [cell.rate if cell else float("nan") for cell in cells]
        axes.plot(range(len(rates)), rates, marker="o", markersize=3, label=row.replace("$", r"\$"))
    axes.set_xticks(range(len(grid.columns)), grid.columns)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
    return figure
