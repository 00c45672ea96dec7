"""A convolutional recurrent network that says when, and how high, each species calls.

Convolutions find shapes, a GRU in both directions their rhythm (Cakir et al. 2017). Time and frequency are kept apart
to the end, so that its rows are the cells of a grid; what is next to each other there is a box.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from anura_edge.audio import FloatArray
from anura_train.data import StrongLabel
from anura_train.models.frontend import HIGH_HZ, LOW_HZ

MELS, BANDS = 64, 16
"""Log-mel bands, and rows of cells that four each become."""

TIME_STRIDE = 8
"""Frames of a cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Where the cells of a window lie."""

    times_s: FloatArray
    """Edges of the cells in time, from the window's beginning, (T + 1,)."""
    pitches_hz: FloatArray
    """Edges of the cells in frequency, (BANDS + 1,)."""

    def cells(self, boxes: list[StrongLabel], labels: tuple[str, ...]) -> FloatArray:
        """Return which cells hold a call, (T * BANDS, labels): those that a box covers at least half of each way."""
        cells = np.zeros((len(self.times_s) - 1, len(self.pitches_hz) - 1, len(labels)), np.float32)
        for box in boxes:
            if box.code in labels and box.low_hz is not None and box.high_hz is not None:
                during = _half_covered(self.times_s, box.onset_s, box.offset_s)
                across = _half_covered(self.pitches_hz, box.low_hz, box.high_hz)
                cells[during[:, None], across, labels.index(box.code)] = 1
        return cells.reshape(-1, len(labels))

    def boxes(self, probabilities: FloatArray, labels: tuple[str, ...], threshold: float) -> list[StrongLabel]:
        """Return the boxes in cells (T * BANDS, labels): each run of columns that reach the threshold is a call."""
        heard = np.asarray(probabilities.reshape(len(self.times_s) - 1, -1, len(labels)) >= threshold)
        return [
            self._box(label, start, end, heard[start:end, :, index])
            for index, label in enumerate(labels)
            for start, end in _runs(heard[:, :, index].max(1))
        ]

    def _box(self, label: str, start: int, end: int, heard: NDArray[np.bool_]) -> StrongLabel:
        rows = np.flatnonzero(heard.any(0))
        low_hz, high_hz = self.pitches_hz[rows[0]], self.pitches_hz[rows[-1] + 1]
        return StrongLabel(label, float(self.times_s[start]), float(self.times_s[end]), float(low_hz), float(high_hz))


def grid(frames: int, hop_s: float) -> Grid:
    """Return the cells that Crnn makes of so many frames."""
    # Mel bands are evenly spaced in mel (O'Shaughnessy's formula, which torchaudio calls "htk").
    low, high = (2_595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    pitches_hz = 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2_595) - 1)
    times_s = np.arange(frames // TIME_STRIDE + 1) * TIME_STRIDE * hop_s
    return Grid(times_s.astype(np.float32), pitches_hz.astype(np.float32))


class Crnn(nn.Module):
    """Features of a window in, a row of logits for each cell of its grid out."""

    def __init__(self, labels: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, width, pool=(2, 2)),  # (B, width, T / 2, 32)
            *_block(width, 2 * width, pool=(2, 2)),  # (B, 2 width, T / 4, 16)
            *_block(2 * width, 4 * width, pool=(2, 1)),  # (B, 4 width, T / 8, 16)
        )
        self.squeeze = nn.Sequential(nn.Linear(4 * width * BANDS, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.rhythm = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        # A cell's logit is what its own shapes say, plus what the rhythm says of its moment and band.
        self.shapes = nn.Linear(4 * width, labels)
        self.moments = nn.Linear(2 * hidden, BANDS * labels)
        # Begin by expecting silence: most cells are empty.
        nn.init.constant_(self.shapes.bias, -4.0)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, T / 8 * BANDS, labels) of features (B, T, 64), cell after cell upwards, then in time."""
        features = features - features.mean((1, 2), keepdim=True)
        heard = self.convolutions(features.unsqueeze(1)).permute(0, 2, 3, 1)  # (B, T / 8, BANDS, 4 width)
        moments, _ = self.rhythm(self.squeeze(heard.flatten(2)))  # (B, T / 8, 2 hidden)
        moments = self.moments(self.dropout(moments)).unflatten(2, (BANDS, -1))  # (B, T / 8, BANDS, labels)
        cells: Tensor = self.shapes(heard) + moments
        return cells.flatten(1, 2)


def _block(channels_in: int, channels_out: int, *, pool: tuple[int, int]) -> list[nn.Module]:
    """Convolve (B, C, T, M), then keep the loudest of each `pool` cells."""
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(pool),
    ]


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
