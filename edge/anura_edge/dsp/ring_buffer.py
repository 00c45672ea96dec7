"""A ring buffer: the newest samples of a stream, in memory that is allocated once."""

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

ScalarT = TypeVar("ScalarT", np.float32, np.int16)


class RingBuffer(Generic[ScalarT]):
    """The newest `capacity` samples of a stream. Positions are counted from the start of the stream.

    Each sample is stored twice, `capacity` apart, so that any range lies in one piece and is read without a copy.
    """

    def __init__(self, capacity: int, dtype: type[ScalarT]) -> None:
        self.capacity = capacity
        self.end = 0
        """Position just after the newest sample."""
        self._twice: NDArray[ScalarT] = np.zeros(2 * capacity, dtype)

    @property
    def start(self) -> int:
        """Position of the oldest sample in the buffer."""
        return max(0, self.end - self.capacity)

    def write(self, samples: NDArray[ScalarT]) -> None:
        """Append mono samples, shape (n,). They replace the oldest ones."""
        newest = samples[-self.capacity :]
        at = (self.end + len(samples) - len(newest)) % self.capacity
        split = min(len(newest), self.capacity - at)
        for half in (0, self.capacity):
            self._twice[half + at : half + at + split] = newest[:split]
            self._twice[half : half + len(newest) - split] = newest[split:]
        self.end += len(samples)

    def write_at(self, first_sample: int, samples: NDArray[ScalarT]) -> None:
        """Append samples that begin at a position. A gap before them becomes silence."""
        gap = min(max(0, first_sample - self.end), self.capacity)
        self.end = first_sample - gap
        self.write(np.zeros(gap, self._twice.dtype))
        self.write(samples)

    def read(self, first: int, last: int) -> NDArray[ScalarT]:
        """Return the samples from position `first` to before `last`: a view that is valid until the next write.

        Raises IndexError if the buffer does not contain all of them.
        """
        if not self.start <= first <= last <= self.end:
            raise IndexError(f"samples {first} to {last} are not in the buffer of {self.start} to {self.end}")
        at = first % self.capacity
        return self._twice[at : at + last - first]
