"""The last seconds of a recording, in memory."""

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray, to_pcm16


class RecentAudio:
    """The last `capacity` samples of a recording, as int16.

    `RingBuffer` stores float32 twice, so that a window is a view without a copy. Here, minutes of audio are stored and
    little is read, so each sample is stored once and in 16 bits: a quarter of the memory.
    """

    def __init__(self, capacity: int) -> None:
        self._samples = np.zeros(capacity, np.int16)
        self.end = 0
        """Position after the newest sample."""

    @property
    def start(self) -> int:
        """Position of the oldest sample."""
        return max(0, self.end - len(self._samples))

    def write(self, samples: FloatArray, first_sample: int) -> None:
        """Append mono samples, shape (n,). A gap before them is filled with zeros."""
        gap = min(max(0, first_sample - self.end), len(self._samples))
        self.end = first_sample - gap
        self._append(np.zeros(gap, np.int16))
        self._append(to_pcm16(samples))

    def _append(self, samples: NDArray[np.int16]) -> None:
        self._samples[(self.end + np.arange(len(samples))) % len(self._samples)] = samples
        self.end += len(samples)

    def read(self, first: int, last: int) -> NDArray[np.int16]:
        """Return a copy of the samples from `first` to before `last`, as far as they are stored."""
        first, last = max(first, self.start), min(last, self.end)
        return self._samples[np.arange(first, last) % len(self._samples)]
