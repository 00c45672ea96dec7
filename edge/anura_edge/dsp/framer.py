"""Cuts a stream of mono audio into the blocks that a model takes. Chunks may have any length."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.dsp.ring_buffer import RingBuffer


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """Consecutive mono samples for one or more frames of scores. They are valid until the framer gets more samples."""

    samples: FloatArray
    """Shape (samples,), float32, full scale is -1.0 to 1.0."""

    start_sample: int
    """Position of samples[0], counted from the start of the stream."""


class Framer:
    """Yield blocks of `frames` frames. Each frame needs `window` samples and begins `hop` samples after the last one.

    A stream model has window == hop, so its blocks follow each other; the blocks of a window model overlap.
    With `slack`, a block may have this many frames more or fewer: if chunks are about as long as a block, the framer
    does not wait for the next chunk when one frame is missing. `lookahead` samples of silence follow the end of the
    stream.
    """

    def __init__(self, window: int, hop: int, frames: int = 1, slack: int = 0, lookahead: int = 0) -> None:
        if not 0 < hop <= window:
            raise ValueError(f"a hop of {hop} samples would skip audio between windows of {window}")
        self._window, self._hop, self._slack, self._lookahead = window, hop, slack, lookahead
        self._start = 0
        self._set_bounds(frames)
        self._ring = RingBuffer(self._max_samples, np.float32)

    def _set_bounds(self, frames: int) -> None:
        self._min_samples = self._samples_of(max(1, frames - self._slack))
        self._max_samples = self._samples_of(frames + self._slack)

    def _samples_of(self, frames: int) -> int:
        return self._window + (frames - 1) * self._hop

    def set_block_frames(self, frames: int) -> None:
        """Change the number of frames in a block. Samples that wait in the buffer become part of the next block."""
        self._set_bounds(frames)
        if self._max_samples > self._ring.capacity:
            waiting = self._ring.read(self._start, self._ring.end)
            self._ring = RingBuffer(self._max_samples, np.float32)
            self._ring.end = self._start
            self._ring.write(waiting)

    def feed(self, samples: FloatArray) -> Iterator[AudioBlock]:
        """Take mono samples, shape (n,), and yield each block that they complete."""
        while len(samples):
            missing = max(0, self._start + self._max_samples - self._ring.end)  # 0 after the blocks became shorter
            self._ring.write(samples[:missing])
            samples = samples[missing:]
            if (waiting := self._ring.end - self._start) >= self._min_samples:
                frames = 1 + (min(waiting, self._max_samples) - self._window) // self._hop
                yield AudioBlock(self._ring.read(self._start, self._start + self._samples_of(frames)), self._start)
                self._start += frames * self._hop

    def flush(self) -> Iterator[AudioBlock]:
        """End the stream: yield the remaining samples, padded with zeros, if any are new. Then begin a new stream."""
        remaining = self._ring.end - self._start
        already_seen = self._window - self._hop if self._start else 0
        frames = max(0, -(-(remaining - self._window) // self._hop)) + 1 if remaining > already_seen else 0
        frames += self._lookahead // self._hop if self._ring.end else 0
        if frames:
            padded = np.zeros(self._samples_of(frames), np.float32)
            padded[:remaining] = self._ring.read(self._start, self._ring.end)
            yield AudioBlock(padded, self._start)
        self.clear()

    def clear(self) -> None:
        """Discard the stream and begin a new one."""
        self._ring.end = self._start = 0
