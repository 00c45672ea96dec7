"""A convolutional recurrent network that says when, and how high, each species calls.

Convolutions find shapes, a GRU in both directions their rhythm (Cakir et al. 2017). Time and frequency are kept apart
to the end, so that its rows are the cells of a grid; what is next to each other there is a box.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from anura_edge.audio import FloatArray
from anura_train.models.frontend import HIGH_HZ, LOW_HZ

MELS, BANDS = 64, 16
"""Log-mel bands, and rows of cells that four each become."""

TIME_STRIDE = 8
"""Frames of a cell."""


class CellEdges(NamedTuple):
    """The edges of the cells in a window."""

    times_s: FloatArray
    """In time, from the window's beginning, (T + 1,)."""
    frequencies_hz: FloatArray
    """In frequency, (BANDS + 1,)."""


def cell_edges(frames: int, hop_s: float) -> CellEdges:
    """Return the edges of the cells that Crnn makes of `frames` frames."""
    # Mel bands are evenly spaced in mel (O'Shaughnessy's formula, which torchaudio calls "htk").
    low, high = (2_595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    frequencies_hz = 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2_595) - 1)
    times_s = np.arange(frames // TIME_STRIDE + 1) * TIME_STRIDE * hop_s
    return CellEdges(times_s.astype(np.float32), frequencies_hz.astype(np.float32))


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
