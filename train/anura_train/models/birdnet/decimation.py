"""Decimation by four inside a network: a low-pass filter and two phases of the decimated audio, as one matrix product.

The filter is a windowed sinc (Kaiser window, Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5.3). ONNX
Runtime computes a strided convolution of one channel slowly, and a product of blocks with a band matrix fast.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

FACTOR, PHASES = 4, (0, 2)
"""A frame that begins 2 samples after a multiple of 4 needs audio that is decimated from that sample."""

BLOCK, TAPS = 64, 63
"""Samples of a block and of the filter. The filter must not be longer than a block."""

ATTENUATION_DB = 110.0
"""Attenuation of frequencies that would be aliased; near the rounding errors of float32."""


class Decimator(nn.Module):
    """Low-pass filter and decimation of audio, in two phases.

    Frequencies up to 1/16 of the sampling rate (3 kHz at 48 kHz) pass with an error below 1e-5. Frequencies that would
    be aliased onto them are attenuated by ATTENUATION_DB.
    """

    matrix: Tensor

    def __init__(self, samples: int) -> None:
        """Prepare for audio of `samples` samples."""
        super().__init__()
        self.samples = samples
        self.blocks = -(-samples // BLOCK)
        self.register_buffer("matrix", torch.from_numpy(_matrix()).float(), persistent=False)

    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Return samples 0, 4, 8 ... and 2, 6, 10 ... of the filtered audio (B, samples), which is padded with zeros.

        Both have the shape (B, blocks * BLOCK / FACTOR).
        """
        left = TAPS // 2
        padded = F.pad(audio, (left, (self.blocks + 1) * BLOCK - self.samples - left))
        blocks = padded.reshape(-1, self.blocks + 1, BLOCK)
        filtered = torch.cat([blocks[:, :-1], blocks[:, 1:]], 2) @ self.matrix  # (B, blocks, PHASES * BLOCK / FACTOR)
        outputs = BLOCK // FACTOR
        length = self.blocks * outputs
        return filtered[:, :, :outputs].reshape(-1, length), filtered[:, :, outputs:].reshape(-1, length)


def _matrix() -> NDArray[np.float64]:
    """Return the matrix (2 * BLOCK, outputs) that maps two blocks of samples to the outputs of the first block."""
    taps = _low_pass()
    matrix = np.zeros((2 * BLOCK, len(PHASES) * BLOCK // FACTOR))
    for number, first in enumerate(phase + FACTOR * output for phase in PHASES for output in range(BLOCK // FACTOR)):
        matrix[first : first + TAPS, number] = taps
    return matrix


def _low_pass() -> NDArray[np.float64]:
    """Return a low-pass filter (TAPS,) with its cutoff at 1/8 of the sampling rate and a gain of 1 at 0 Hz."""
    offsets = np.arange(TAPS) - TAPS // 2
    taps = np.sinc(offsets / FACTOR) * np.kaiser(TAPS, 0.1102 * (ATTENUATION_DB - 8.7))
    return np.asarray(taps / taps.sum())
