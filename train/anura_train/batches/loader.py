"""What a training step learns from."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from anura_edge.audio import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """ExampleGenerator of one step."""

    waveforms: FloatArray
    """Shape (B, samples), full scale is -1.0 to 1.0."""
    targets: FloatArray
    """Shape (B, labels): 1 for a species that is in the example, 0 for one that is not, between them for a mixture."""
    cells: FloatArray | None = None
    """Shape (B, cells, labels): where in time and pitch it calls, for networks with a grid.
    An example that nobody boxed is NaN."""
    calling: FloatArray | None = None
    """Shape (B, moments), all as long: 1 where a frog may call, 0 where none was put; None where nobody knows."""


MapFunction = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to each of many things, in their order: `map`, or a pool's."""

RngState = dict[str, Any]
"""State of a generator."""

BATCHES_AHEAD = 4


class ExampleGenerator(Protocol):
    """Makes the examples of a training, step by step."""

    rng: np.random.Generator
    """All chance in the examples; a training that is taken up again gets it back as it was."""

    @property
    def prevalence(self) -> FloatArray:
        """Share of examples with each label, (labels,), before augmentation."""

    @property
    def epoch(self) -> int:
        """Number of different examples: an epoch is so many."""

    def batch(self, step: int, size: int, run: MapFunction = map) -> Batch:
        """Return the examples of a step, from 1. `run` may make them in several threads, which changes none."""


def generate_batches(
    examples: ExampleGenerator, steps: range, size: int, workers: int
) -> Iterator[tuple[Batch, RngState]]:
    """Yield the examples of each step, and what chance is like behind them.

    With workers, some batches are made ahead of the step that learns from them, by that many threads: most of the work
    is done by libraries that let others run meanwhile. They are the same batches: chance is asked in the same order.
    """

    def make(step: int, run: MapFunction) -> tuple[Batch, RngState]:
        return examples.batch(step, size, run), dict(examples.rng.bit_generator.state)

    if not workers:
        yield from (make(step, map) for step in steps)
        return
    with ThreadPoolExecutor(workers) as makers, ThreadPoolExecutor(1) as drawer:
        waiting = deque(drawer.submit(make, step, makers.map) for step in steps[:BATCHES_AHEAD])
        try:
            for step in steps:
                made = waiting.popleft().result()
                if step + BATCHES_AHEAD in steps:
                    waiting.append(drawer.submit(make, step + BATCHES_AHEAD, makers.map))
                yield made
        finally:
            for each in waiting:
                each.cancel()
