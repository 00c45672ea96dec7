"""A ring buffer of audio, allocated once, from which any recent stretch can be read without a copy."""

import numpy as np

from anura_edge.audio import FloatArray


class Ring:
    """Remember the last `capacity` samples of a stream.

    Each sample is written twice, `capacity` apart, so that a stretch that wraps around the end of the first half lies
    in one piece across the middle. That doubles 0.3 MB for a 3 s window and saves a copy for every window.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.end = 0
        """Samples written so far: the position just after the newest."""
        self._twice = np.zeros(2 * capacity, np.float32)

    def write(self, samples: FloatArray) -> None:
        """Append mono samples, shape (n,) with n <= capacity; the oldest are forgotten."""
        at = self.end % self.capacity
        first = min(len(samples), self.capacity - at)
        rest = len(samples) - first
        for half in (0, self.capacity):
            self._twice[half + at : half + at + first] = samples[:first]
            self._twice[half : half + rest] = samples[first:]
        self.end += len(samples)

    def view(self, start: int, count: int) -> FloatArray:
        """Return samples start to start + count, which must still be remembered; valid until the next write."""
        if not self.end - self.capacity <= start <= start + count <= self.end:
            raise IndexError(f"samples {start} to {start + count} are not among the last {self.capacity} of {self.end}")
        at = start % self.capacity
        return self._twice[at : at + count]
