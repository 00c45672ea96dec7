"""Calls per hour analysed in the cells of a heatmap."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from anura_edge.results.tables.hourly import SpeciesHour
from anura_edge.results.tables.nightly import SpeciesNight

T = TypeVar("T", SpeciesNight, SpeciesHour)


@dataclass(frozen=True, slots=True)
class RateCell:
    """Bouts and effort of one cell."""

    bouts: int
    hours: float
    """Hours analysed. Never 0: a cell without effort does not exist."""

    @property
    def rate(self) -> float:
        """Bouts per hour analysed."""
        return self.bouts / self.hours


@dataclass(frozen=True, slots=True)
class RateGrid:
    """Cells by row and column. A cell that is missing was not sampled."""

    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[str, str], RateCell]


def make_grid(
    table: Iterable[T], row_of: Callable[[T], str], column_of: Callable[[T], str], columns: Sequence[str]
) -> RateGrid:
    """Sum the rows of a table into cells. The rows with the most bouts are first."""
    cells: dict[tuple[str, str], RateCell] = {}
    for each in table:
        key = row_of(each), column_of(each)
        before = cells.get(key, RateCell(0, 0.0))
        cells[key] = RateCell(before.bouts + each.bouts, before.hours + each.effort_h)
    totals: dict[str, int] = {}
    for (row, _), cell in cells.items():
        totals[row] = totals.get(row, 0) + cell.bouts
    return RateGrid(sorted(totals, key=lambda row: (-totals[row], row)), columns, cells)
