"""Brings a stream of mono audio to the model's sample rate."""

import numpy as np
import soxr

from anura_edge.audio import FloatArray


class Resampler:
    """Resample one stream, chunk by chunk, with the same result as in one piece.

    Its output is aligned in time with its input.
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
