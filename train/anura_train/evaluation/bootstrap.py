"""Intervals: what a figure would be, had other recordings been made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anura_train.evaluation.measures import Figures, Weights

DRAWS = 1_000
AT_A_TIME = 50
"""Draws computed together: the weights of 100,000 windows are 40 MB then."""

Measure = Callable[[Weights], Figures]
"""Takes weights (draws, items), returns figures (draws, columns)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


class Redraws:
    """Redraws whole groups with replacement (Efron 1979): items of one group are not independent.

    A draw that lacks a label says nothing of it, so it is left out of that label's interval.
    """

    def __init__(self, groups: Sequence[str], draws: int = DRAWS, seed: int = 0) -> None:
        """Take each item's group."""
        names, self.group = np.unique(np.asarray(groups), return_inverse=True)
        chance = np.full(len(names), 1 / len(names))
        self.counts = np.random.default_rng(seed).multinomial(len(names), chance, draws)  # (draws, groups)

    def measure(self, measure: Measure) -> tuple[Figures, Figures]:
        """Return a measure's columns, (columns,), and those of every draw, (draws, columns)."""
        value = measure(np.ones((1, len(self.group))))[0]
        return value, np.concatenate([measure(weights) for weights in self._weights()])

    def _weights(self) -> Iterator[Weights]:
        for start in range(0, len(self.counts), AT_A_TIME):
            yield self.counts[start : start + AT_A_TIME, self.group].astype(np.float64)


def estimate(value: float, draws: Figures) -> Estimate:
    """Return a figure and the middle 95 % of its draws (draws,), stretched to it where their bias passed it by."""
    known = draws[~np.isnan(draws)]
    if np.isnan(value):
        return Estimate(None, None, None)
    if len(known) == 0:
        return Estimate(float(value), None, None)
    low, high = np.percentile(known, [2.5, 97.5])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def mean_of(columns: Figures) -> Figures:
    """Return the mean over the last axis of what is defined; NaN where nothing is."""
    known = ~np.isnan(columns)
    total = np.where(known, columns, 0.0).sum(-1)
    return np.asarray(np.divide(total, known.sum(-1), out=np.full_like(total, np.nan), where=known.any(-1)))
