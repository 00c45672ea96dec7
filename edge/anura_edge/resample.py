"""Brings a stream of mono audio to the model's sample rate."""

import numpy as np
import soxr

from anura_edge.audio import FloatArray


class Resampler:
    """Resample one stream, chunk by chunk, with the same result as in one piece.

    libsoxr's high-quality setting keeps the passband flat to 0.913 of the lower Nyquist frequency and its output is
    aligned in time with its input (soxr documentation, "Basics").
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32") if from_hz != to_hz else None

    def feed(self, samples: FloatArray) -> FloatArray:
        """Take samples, shape (n,); return what is ready, shape (m,)."""
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def flush(self) -> FloatArray:
        """End the stream: return what was held back."""
        nothing = np.zeros(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)
