"""Bootstrap intervals: how far a metric would vary with other recordings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_train.evaluation.metrics import Values, Weights

DRAWS = 1_000
BLOCK_DRAWS = 50
"""Draws that are computed together: the weights of 100,000 windows take 40 MB then."""

Metric = Callable[[Weights], Values]
"""Takes weights (draws, items), returns values (draws, columns)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval; NaN where they are not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Bootstrap:
    """Draws of whole units with replacement (Efron 1979). A unit is a group of items that are not independent."""

    counts: NDArray[np.integer]
    """How often each draw contains each unit, (draws, units)."""
    unit: NDArray[np.intp]
    """The unit of each item, (items,)."""

    def compute(self, metric: Metric) -> tuple[Values, Values]:
        """Return the columns of a metric, (columns,), and those of every draw, (draws, columns)."""
        value = metric(np.ones((1, len(self.unit))))[0]
        return value, np.concatenate([metric(weights) for weights in self._weights()])

    def _weights(self) -> Iterator[Weights]:
        for start in range(0, len(self.counts), BLOCK_DRAWS):
            yield self.counts[start : start + BLOCK_DRAWS, self.unit].astype(np.float64)


def group_bootstrap(groups: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Bootstrap:
    """Draw groups, given the group of each item.

    A draw without a label leaves the metrics of that label undefined; `estimate` ignores it.
    """
    names, unit = np.unique(np.asarray(groups), return_inverse=True)
    shares = np.full(len(names), 1 / len(names))
    return Bootstrap(np.random.default_rng(seed).multinomial(len(names), shares, draws), unit)


def stratified_bootstrap(strata: Sequence[str], draws: int = DRAWS, seed: int = 0) -> Bootstrap:
    """Draw items within each stratum, given the stratum of each item.

    With species as strata, each draw contains every species. With two recordings of a species, the interval is a guess.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(np.asarray(strata) == stratum) for stratum in sorted(set(strata))]
    counts = np.zeros((draws, len(strata)), np.int64)
    for draw in counts:
        for indices in members:
            draw += np.bincount(rng.choice(indices, len(indices)), minlength=len(strata))
    return Bootstrap(counts, np.arange(len(strata)))


def estimate(value: float, draws: Values) -> Estimate:
    """Return a value with the middle 95 % of its draws (draws,), extended to the value where it lies outside."""
    defined = draws[~np.isnan(draws)]
    if np.isnan(value) or len(defined) == 0:
        return Estimate(float(value), np.nan, np.nan)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))
