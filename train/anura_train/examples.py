"""What a training step learns from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from anura_edge.audio import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Examples of one step."""

    waveforms: FloatArray
    """Shape (B, samples), full scale is -1.0 to 1.0."""
    targets: FloatArray
    """Shape (B, labels): 1 for a species that is in the example, 0 for one that is not, between them for a mixture."""
    cells: FloatArray | None = None
    """Shape (B, cells, labels): where in time and pitch it calls, for networks with a grid.
    An example that nobody boxed is NaN."""


class Examples(Protocol):
    """Makes the examples of a training, step by step."""

    rng: np.random.Generator
    """All chance in the examples; a training that is taken up again gets it back as it was."""

    @property
    def prevalence(self) -> FloatArray:
        """Share of examples with each label, (labels,), before augmentation."""

    @property
    def epoch(self) -> int:
        """Number of different examples: an epoch is so many."""

    def batch(self, step: int, size: int) -> Batch:
        """Return the examples of a step, from 1."""
