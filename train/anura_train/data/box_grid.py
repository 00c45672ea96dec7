"""Cells of a window in time and frequency: targets and results of networks that learn from boxes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.data.corpus import StrongLabel


@dataclass(frozen=True, slots=True, eq=False)
class BoxGrid:
    """Converts the boxes of a window to cells, and cells to boxes."""

    times_s: FloatArray
    """Edges of the cells in time, from the start of the window, (T + 1,)."""
    frequencies_hz: FloatArray
    """Edges of the cells in frequency, (F + 1,)."""

    def cells(self, boxes: list[StrongLabel], labels: tuple[str, ...]) -> FloatArray:
        """Return the cells (T * F, labels): 1 where a box covers at least half of the cell in time and frequency."""
        cells = np.zeros((len(self.times_s) - 1, len(self.frequencies_hz) - 1, len(labels)), np.float32)
        for box in boxes:
            if box.code in labels and box.low_hz is not None and box.high_hz is not None:
                columns = _half_covered(self.times_s, box.onset_s, box.offset_s)
                rows = _half_covered(self.frequencies_hz, box.low_hz, box.high_hz)
                cells[columns[:, None], rows, labels.index(box.code)] = 1
        return cells.reshape(-1, len(labels))

    def boxes(self, probabilities: FloatArray, labels: tuple[str, ...], threshold: float) -> list[StrongLabel]:
        """Return the boxes in cells (T * F, labels): one for each run of columns that reach the threshold."""
        active = np.asarray(probabilities.reshape(len(self.times_s) - 1, -1, len(labels)) >= threshold)
        return [
            self._box(label, start, end, active[start:end, :, index])
            for index, label in enumerate(labels)
            for start, end in _runs(active[:, :, index].max(1))
        ]

    def _box(self, label: str, start: int, end: int, active: NDArray[np.bool_]) -> StrongLabel:
        rows = np.flatnonzero(active.any(0))
        low_hz, high_hz = self.frequencies_hz[rows[0]], self.frequencies_hz[rows[-1] + 1]
        return StrongLabel(label, float(self.times_s[start]), float(self.times_s[end]), float(low_hz), float(high_hz))


def _half_covered(edges: FloatArray, start: float, end: float) -> NDArray[np.int64]:
    """Return the indices of the cells that a span covers by half or more; if there are none, the one covered most."""
    covered = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    covering = np.flatnonzero(covered >= np.diff(edges) / 2)
    # A call that is shorter than half a cell must still have a cell.
    return covering if len(covering) else np.array([covered.argmax()])


def _runs(present: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the start and the end of each run of true values."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]])))
    return [(int(start), int(end)) for start, end in changes.reshape(-1, 2)]
