"""Cuts a stream of mono audio into the stretches that a model takes, whatever the size of the chunks it comes in."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.dsp.ring_buffer import Ring


@dataclass(frozen=True, slots=True, eq=False)
class AudioBlock:
    """A stretch of mono audio, ready to be scored; its samples are valid until the framer is fed again."""

    samples: FloatArray
    """Shape (samples,), float32, full scale is -1.0 to 1.0."""

    start_sample: int
    """Position of samples[0], counted from the start of the stream."""


class Framer:
    """Gather `rows` rows of scores' worth of audio at a time: each row needs `window` samples, `hop` after the last.

    A stream model has window == hop, so the stretches follow each other; a window model's stretches overlap.
    With `slack`, a stretch may have so many rows more or fewer: sound that comes in chunks of about a stretch need not
    wait for the next chunk when a row is missing. With `lookahead`, so many samples of silence follow the stream's end.
    """

    def __init__(self, window: int, hop: int, rows: int = 1, slack: int = 0, lookahead: int = 0) -> None:
        if not 0 < hop <= window:
            raise ValueError(f"a hop of {hop} samples would skip audio between windows of {window}")
        self._window, self._hop, self._slack, self._lookahead = window, hop, slack, lookahead
        self._start = 0
        self._bound(rows)
        self._ring = Ring(self._most)

    def _bound(self, rows: int) -> None:
        bounds = max(1, rows - self._slack), rows + self._slack
        self._least, self._most = (self._window + (bound - 1) * self._hop for bound in bounds)

    def set_block_frames(self, rows: int) -> None:
        """Gather so many rows at a time from now on; what is held already stays, and comes with the next ones."""
        self._bound(rows)
        if self._most > self._ring.capacity:
            held = self._ring.view(self._start, self._ring.end - self._start)
            self._ring = Ring(self._most)
            self._ring.end = self._start
            self._ring.write(held)

    def feed(self, samples: FloatArray) -> Iterator[AudioBlock]:
        """Take mono samples, shape (n,), and yield each stretch that they complete."""
        while len(samples):
            missing = max(0, self._start + self._most - self._ring.end)  # none where fewer rows are wanted now
            self._ring.write(samples[:missing])
            samples = samples[missing:]
            if (held := self._ring.end - self._start) >= self._least:
                rows = 1 + (min(held, self._most) - self._window) // self._hop
                yield AudioBlock(self._ring.view(self._start, self._window + (rows - 1) * self._hop), self._start)
                self._start += rows * self._hop

    def flush(self) -> Iterator[AudioBlock]:
        """End the stream: yield what is left, if any of it is new, padded with zeros; then begin a new stream."""
        left = self._ring.end - self._start
        already_seen = self._window - self._hop if self._start else 0
        rows = max(0, -(-(left - self._window) // self._hop)) + 1 if left > already_seen else 0
        rows += self._lookahead // self._hop if self._ring.end else 0
        if rows:
            padded = np.zeros(self._window + (rows - 1) * self._hop, np.float32)
            padded[:left] = self._ring.view(self._start, left)
            yield AudioBlock(padded, self._start)
        self.clear()

    def clear(self) -> None:
        """Forget the stream, and begin a new one."""
        self._ring.end = self._start = 0
