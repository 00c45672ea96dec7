"""Makes a picture of a sound: the log-mel spectrogram that people look at. No model sees it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray

BANDS = 96
LOWEST_HZ = 50.0
FRAME_S = 0.046
"""1024 samples at 22,050 Hz: long enough to tell a frog's harmonics apart, short enough for its pulses."""

MAX_COLUMNS = 2**15
"""A longer sound has columns that show the loudest of several frames, so that no short call is lost between two."""

LEAST_RANGE_DB = 40.0
"""Between black and white, so that the noise of a quiet room does not look like a chorus."""

_FRAMES_AT_ONCE = 512


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """Levels over time and frequency."""

    levels: NDArray[np.uint8]
    """Shape (columns, BANDS), the lowest band first; 0 is the noise of this recording, 255 its loudest."""

    bands_hz: FloatArray
    """Shape (BANDS,): the middle of each band."""

    column_s: float
    """From one column to the next."""


def log_mel(audio: NDArray[np.int16], rate_hz: int) -> Spectrogram:
    """Return the spectrogram of mono audio, shape (samples,)."""
    size = 2 ** round(np.log2(FRAME_S * rate_hz))
    hop = size // 4 if len(audio) <= MAX_COLUMNS * size // 4 else size // 2
    frames = -(-max(len(audio), 1) // hop)
    together = -(-frames // MAX_COLUMNS)
    filters, bands_hz = _mel_filters(size, rate_hz)
    window = np.hanning(size).astype(np.float32) / 2**15
    columns = []
    step = _FRAMES_AT_ONCE // together * together
    for first in range(0, frames, step):
        rows = _frames(audio, first * hop - size // 2, min(step, frames - first), size, hop)
        power = np.square(np.abs(np.fft.rfft(rows * window))).astype(np.float32)
        columns.append(_loudest(power @ filters, together))
    decibels = 10 * np.log10(np.concatenate(columns) + 1e-10)
    return Spectrogram(_levels(decibels), bands_hz, together * hop / rate_hz)


def _frames(audio: NDArray[np.int16], begin: int, count: int, size: int, hop: int) -> NDArray[np.int16]:
    """Return `count` frames from a sample on, shape (count, size), with zeros beyond both ends of the sound."""
    end = begin + (count - 1) * hop + size
    piece = np.pad(audio[max(begin, 0) : end], (max(-begin, 0), max(end - max(len(audio), begin, 0), 0)))
    return np.lib.stride_tricks.sliding_window_view(piece, size)[::hop][:count]


def _loudest(rows: FloatArray, together: int) -> FloatArray:
    """Join each `together` rows to the loudest of them, band by band."""
    starts = np.arange(0, len(rows), together)
    return np.maximum.reduceat(rows, starts, axis=0)


def _levels(decibels: FloatArray) -> NDArray[np.uint8]:
    low, high = np.percentile(decibels, [10, 99.95])
    high = max(high, low + LEAST_RANGE_DB)
    scaled: NDArray[np.uint8] = ((decibels - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    return scaled


def _mel_filters(size: int, rate_hz: int) -> tuple[FloatArray, FloatArray]:
    """Return triangles on the mel scale (O'Shaughnessy 1987), shape (size // 2 + 1, BANDS), and their middles in Hz."""
    mel = np.linspace(_mel(LOWEST_HZ), _mel(rate_hz / 2), BANDS + 2)
    corners = 700 * (10 ** (mel / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate_hz)[:, None]
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    filters = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    for band in np.flatnonzero(filters.sum(axis=0) == 0):  # narrower than from one bin to the next
        filters[np.abs(bins[:, 0] - middle[band]).argmin(), band] = 1
    return (filters / filters.sum(axis=0)).astype(np.float32), middle.astype(np.float32)


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))
