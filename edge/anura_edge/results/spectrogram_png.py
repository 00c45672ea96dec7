"""A spectrogram as a PNG. Lighter colours mean higher levels. The palette suits colour-blind people."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray

WIDTH, HEIGHT = 800, 256
TOP_HZ = 12_000.0
"""Almost all frogs call below this frequency. The exceptions call in ultrasound."""

WINDOW_S = 0.023
"""A common choice for frogs: a resolution of 43 Hz and 23 ms."""

RANGE_DB = 50.0
"""Range of the palette, below the 99.9th percentile of the levels."""

# Ten anchors of viridis (S. van der Walt and N. Smith, CC0), whose lightness rises evenly.
_ANCHORS = ("440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725")


def top_hz(rate_hz: int) -> float:
    """Return the frequency at the upper edge, in Hz."""
    return min(TOP_HZ, rate_hz / 2)


def spectrogram_png(samples: FloatArray, rate_hz: int) -> bytes:
    """Return the PNG of mono audio, shape (n,). Time runs to the right, frequency upwards to `top_hz`."""
    levels_db = _levels_db(samples, rate_hz)
    high_db = float(np.quantile(levels_db, 0.999))
    shade = (levels_db - (high_db - RANGE_DB)) / RANGE_DB
    return _png((shade.clip(0, 1) * 255).astype(np.uint8)[::-1])


def _levels_db(samples: FloatArray, rate_hz: int) -> NDArray[np.float64]:
    """Return the level of each pixel in dB, shape (HEIGHT, WIDTH), the lowest frequency first."""
    size = 1 << max(4, round(np.log2(WINDOW_S * rate_hz)))
    padded = np.pad(samples, size // 2 + 1)
    starts = np.linspace(0, len(padded) - size, WIDTH).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[starts] * np.hanning(size)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))  # (WIDTH, size // 2 + 1)
    bins = np.linspace(0, top_hz(rate_hz) / rate_hz * size, HEIGHT, endpoint=False)
    lower = bins.astype(int)
    weight = bins - lower
    interpolated = power[:, lower] * (1 - weight) + power[:, np.minimum(lower + 1, size // 2)] * weight
    levels: NDArray[np.float64] = 10 * np.log10(interpolated.T + 1e-12)
    return levels


def _palette() -> bytes:
    colours = np.array([list(bytes.fromhex(anchor)) for anchor in _ANCHORS], float)
    positions = np.linspace(0, len(colours) - 1, 256)
    mixed = [np.interp(positions, np.arange(len(colours)), channel) for channel in colours.T]
    return np.stack(mixed, axis=1).round().astype(np.uint8).tobytes()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode palette indices, shape (height, width), the top row first (PNG specification, third edition)."""
    height, width = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, palette
    rows = np.pad(pixels, ((0, 0), (1, 0)))  # each row begins with its filter type: none
    parts = [(b"IHDR", head), (b"PLTE", _palette()), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
