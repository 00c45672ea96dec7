"""Batches of training examples, optionally prepared ahead in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from anura_edge.audio import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The examples of one step."""

    waveforms: FloatArray
    """Shape (B, samples), full scale is -1.0 to 1.0. Without samples where there are features."""
    targets: FloatArray
    """Shape (B, labels): 1 for a species in the example, 0 for any other, values between them after mixup."""
    cells: FloatArray | None = None
    """Shape (B, cells, labels): targets of the cells in time and frequency, for networks with a grid. NaN for an
    example whose calls have no boxes."""
    features: FloatArray | None = None
    """Features of stored examples, (B, ...), before any mask."""
    teacher_logits: FloatArray | None = None
    """A teacher's logits of stored examples, (B, labels)."""
    call_mask: FloatArray | None = None
    """Shape (B, slots), equally long time slots: 1 where a frog may call, 0 where no call was placed. None if this
    is not known."""


MapFunction = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to each item and keeps the order: `map`, or that of a thread pool."""

RngState = dict[str, Any]
"""State of a NumPy bit generator."""

BATCHES_AHEAD = 4


class ExampleGenerator(Protocol):
    """Generates the examples of a training, step by step."""

    rng: np.random.Generator
    """Source of all random numbers in the examples. A resumed training restores its state."""

    @property
    def prevalence(self) -> FloatArray:
        """Share of examples with each label, (labels,), before augmentation."""

    @property
    def epoch_size(self) -> int:
        """Number of examples in an epoch."""

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:
        """Return the examples of a step, counted from 1. `run` may use threads; the examples stay the same."""


def generate_batches(
    examples: ExampleGenerator, steps: range, size: int, workers: int
) -> Iterator[tuple[Batch, RngState]]:
    """Yield the examples of each step, and the state of the random generator after them.

    With workers, that many threads prepare some batches ahead; most of the work is in libraries that release the GIL.
    The batches are the same, because random numbers are drawn in the same order.
    """

    def prepare(step: int, run: MapFunction) -> tuple[Batch, RngState]:
        return examples.batch(step, size, run), dict(examples.rng.bit_generator.state)

    if not workers:
        yield from (prepare(step, map) for step in steps)
        return
    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as sequencer:
        queued = deque(sequencer.submit(prepare, step, pool.map) for step in steps[:BATCHES_AHEAD])
        try:
            for step in steps:
                prepared = queued.popleft().result()
                if step + BATCHES_AHEAD in steps:
                    queued.append(sequencer.submit(prepare, step + BATCHES_AHEAD, pool.map))
                yield prepared
        finally:
            for each in queued:
                each.cancel()
