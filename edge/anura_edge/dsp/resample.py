"""Resamples a stream of mono audio to the model's sampling rate."""

import numpy as np
import soxr

from anura_edge.audio import FloatArray


class Resampler:
    """Resamples one stream chunk by chunk. The result equals that of resampling it in one piece.

    The output is aligned with the input in time.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32") if from_hz != to_hz else None

    def feed(self, samples: FloatArray) -> FloatArray:
        """Take samples, shape (n,), and return the finished ones, shape (m,)."""
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def flush(self) -> FloatArray:
        """End the stream and return the samples that were delayed."""
        nothing = np.zeros(0, np.float32)
        return nothing if self._stream is None else self._stream.resample_chunk(nothing, last=True)
