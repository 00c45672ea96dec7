"""The log-mel spectrogram that the page shows. No model uses it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray

BANDS = 96
MIN_HZ = 50.0
FRAME_S = 0.046
"""1024 samples at 22,050 Hz: long enough to separate a frog's harmonics, short enough for its pulses."""

MAX_COLUMNS = 2**15
"""In a longer recording a column shows the loudest of several frames, so that short calls stay visible."""

MIN_RANGE_DB = 40.0
"""Smallest range from black to white, so that the noise of a quiet room does not look like a chorus."""

_FRAMES_PER_BLOCK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """Levels over time and frequency."""

    levels: NDArray[np.uint8]
    """Shape (columns, BANDS), the lowest band first; 0 is the noise floor of the recording, 255 its highest level."""

    bands_hz: FloatArray
    """Shape (BANDS,): the centre of each band."""

    column_s: float
    """Time from one column to the next."""


def log_mel(audio: NDArray[np.int16], rate_hz: int) -> Spectrogram:
    """Return the spectrogram of mono audio, shape (samples,)."""
    size = 2 ** round(np.log2(FRAME_S * rate_hz))
    hop = size // 4 if len(audio) <= MAX_COLUMNS * size // 4 else size // 2
    n_frames = -(-max(len(audio), 1) // hop)
    frames_per_column = -(-n_frames // MAX_COLUMNS)
    filters, bands_hz = _mel_filters(size, rate_hz)
    window = np.hanning(size).astype(np.float32) / 2**15
    columns = []
    step = _FRAMES_PER_BLOCK // frames_per_column * frames_per_column
    for first in range(0, n_frames, step):
        frames = _frames(audio, first * hop - size // 2, min(step, n_frames - first), size, hop)
        power = np.square(np.abs(np.fft.rfft(frames * window))).astype(np.float32)
        columns.append(_loudest(power @ filters, frames_per_column))
    decibels = 10 * np.log10(np.concatenate(columns) + 1e-10)
    return Spectrogram(_levels(decibels), bands_hz, frames_per_column * hop / rate_hz)


def _frames(audio: NDArray[np.int16], begin: int, count: int, size: int, hop: int) -> NDArray[np.int16]:
    """Return `count` frames from sample `begin`, shape (count, size), padded with zeros at both ends of the audio."""
    end = begin + (count - 1) * hop + size
    padded = np.pad(audio[max(begin, 0) : end], (max(-begin, 0), max(end - max(len(audio), begin, 0), 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]


def _loudest(power: FloatArray, frames_per_column: int) -> FloatArray:
    """Return the highest power of each band in each group of frames, (columns, BANDS) from (frames, BANDS)."""
    starts = np.arange(0, len(power), frames_per_column)
    return np.maximum.reduceat(power, starts, axis=0)


def _levels(decibels: FloatArray) -> NDArray[np.uint8]:
    """Map levels in dB to 0 to 255, from their 10th to their 99.95th percentile."""
    low, high = np.percentile(decibels, [10, 99.95])
    high = max(high, low + MIN_RANGE_DB)
    scaled: NDArray[np.uint8] = ((decibels - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
    return scaled


def _mel_filters(size: int, rate_hz: int) -> tuple[FloatArray, FloatArray]:
    """Return triangular mel filters (O'Shaughnessy 1987), shape (size // 2 + 1, BANDS), and their centres in Hz."""
    mel = np.linspace(_mel(MIN_HZ), _mel(rate_hz / 2), BANDS + 2)
    corners = 700 * (10 ** (mel / 2595) - 1)
    bins = np.fft.rfftfreq(size, 1 / rate_hz)[:, None]
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    filters = np.maximum(0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    for band in np.flatnonzero(filters.sum(axis=0) == 0):  # the band is narrower than one bin
        filters[np.abs(bins[:, 0] - centre[band]).argmin(), band] = 1
    return (filters / filters.sum(axis=0)).astype(np.float32), centre.astype(np.float32)


def _mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))
