"""The cells of a window in time and frequency, for networks that learn from boxes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.data.corpus import StrongLabel


@dataclass(frozen=True, slots=True, eq=False)
class BoxGrid:
    """Turns the boxes of a window into cells, and cells into boxes."""

    times_s: FloatArray
    """Edges of the cells in time, from the window's beginning, (T + 1,)."""
    frequencies_hz: FloatArray
    """Edges of the cells in frequency, (F + 1,)."""

    def cells(self, boxes: list[StrongLabel], labels: tuple[str, ...]) -> FloatArray:
        """Return which cells hold a call, (T * F, labels): those that a box covers at least half of each way."""
        cells = np.zeros((len(self.times_s) - 1, len(self.frequencies_hz) - 1, len(labels)), np.float32)
        for box in boxes:
            if box.code in labels and box.low_hz is not None and box.high_hz is not None:
                during = _half_covered(self.times_s, box.onset_s, box.offset_s)
                across = _half_covered(self.frequencies_hz, box.low_hz, box.high_hz)
                cells[during[:, None], across, labels.index(box.code)] = 1
        return cells.reshape(-1, len(labels))

    def boxes(self, probabilities: FloatArray, labels: tuple[str, ...], threshold: float) -> list[StrongLabel]:
        """Return the boxes in cells (T * F, labels): each run of columns that reach the threshold is a call."""
        heard = np.asarray(probabilities.reshape(len(self.times_s) - 1, -1, len(labels)) >= threshold)
        return [
            self._box(label, start, end, heard[start:end, :, index])
            for index, label in enumerate(labels)
            for start, end in _runs(heard[:, :, index].max(1))
        ]

    def _box(self, label: str, start: int, end: int, heard: NDArray[np.bool_]) -> StrongLabel:
        rows = np.flatnonzero(heard.any(0))
        low_hz, high_hz = self.frequencies_hz[rows[0]], self.frequencies_hz[rows[-1] + 1]
        return StrongLabel(label, float(self.times_s[start]), float(self.times_s[end]), float(low_hz), float(high_hz))


def _half_covered(edges: FloatArray, start: float, end: float) -> NDArray[np.int64]:
    """Return which cells between edges lie in a span by half or more; the nearest one where none does."""
    covered = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    found = np.flatnonzero(covered >= np.diff(edges) / 2)
    # A call shorter than half a cell is still a call.
    return found if len(found) else np.array([covered.argmax()])


def _runs(present: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where runs of true begin and end."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], present, [False]])))
    return [(int(start), int(end)) for start, end in changes.reshape(-1, 2)]
