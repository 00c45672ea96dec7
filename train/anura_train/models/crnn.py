"""CRNN: a convolutional recurrent network that locates calls in time and frequency.

Convolutions and a bidirectional GRU (Cakir et al. 2017). The output has separate time and frequency axes: its frames
are the cells of a grid, and connected cells form a box.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from anura_edge.audio import FloatArray
from anura_train.models.frontend import HIGH_HZ, LOW_HZ

MELS, BANDS = 64, 16
"""Log-mel bands, and frequency bands of the cells; four mel bands make one."""

TIME_STRIDE = 8
"""Feature frames of a cell."""


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
    """Maps the features of a window to one frame of logits for each cell of its grid."""

    def __init__(self, labels: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *_block(1, width, pool=(2, 2)),  # (B, width, T / 2, 32)
            *_block(width, 2 * width, pool=(2, 2)),  # (B, 2 width, T / 4, 16)
            *_block(2 * width, 4 * width, pool=(2, 1)),  # (B, 4 width, T / 8, 16)
        )
        self.bottleneck = nn.Sequential(nn.Linear(4 * width * BANDS, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        # A cell's logit is the sum of a term from its own features and a term from the GRU at its time and band.
        self.cell_head = nn.Linear(4 * width, labels)
        self.time_head = nn.Linear(2 * hidden, BANDS * labels)
        # Most cells are empty, so the first scores are low.
        nn.init.constant_(self.cell_head.bias, -4.0)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, T / 8 * BANDS, labels) of features (B, T, 64); frequency varies fastest."""
        features = features - features.mean((1, 2), keepdim=True)
        maps = self.convolutions(features.unsqueeze(1)).permute(0, 2, 3, 1)  # (B, T / 8, BANDS, 4 width)
        times, _ = self.gru(self.bottleneck(maps.flatten(2)))  # (B, T / 8, 2 hidden)
        times = self.time_head(self.dropout(times)).unflatten(2, (BANDS, -1))  # (B, T / 8, BANDS, labels)
        cells: Tensor = self.cell_head(maps) + times
        return cells.flatten(1, 2)


def _block(channels_in: int, channels_out: int, *, pool: tuple[int, int]) -> list[nn.Module]:
    """Return the layers of a convolution block that ends in max pooling over (time, mel)."""
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        nn.MaxPool2d(pool),
    ]
