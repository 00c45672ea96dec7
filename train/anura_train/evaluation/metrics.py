"""Figures of merit over recordings, their intervals, and false alarms over hours of background."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from anura_edge.audio import FloatArray

Truth = NDArray[np.bool_]
Statistic = Callable[[FloatArray, Truth], float]
"""Takes scores (recordings, labels) and truth (recordings, labels)."""

GAP_S = 1.0
"""Calls closer than this are one event: AnuraSet's rule (Cañas et al. 2023)."""

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def macro_f1(decisions: NDArray[np.bool_], truth: Truth) -> float:
    """Return the mean over labels of F1 = 2 TP / (2 TP + FP + FN), both arrays (recordings, labels)."""
    hits = (decisions & truth).sum(0)
    errors = (decisions ^ truth).sum(0)
    return float(np.mean(2 * hits / np.maximum(2 * hits + errors, 1)))


def average_precisions(scores: FloatArray, truth: Truth) -> FloatArray:
    """Return each label's average precision, (labels,): the mean precision at the rank of each true recording."""
    order = np.argsort(-scores, axis=0, kind="stable")
    ranked = np.take_along_axis(truth, order, axis=0)
    precision = np.cumsum(ranked, axis=0) / np.arange(1, len(ranked) + 1)[:, None]
    return np.asarray((precision * ranked).sum(0) / np.maximum(ranked.sum(0), 1), np.float32)


def mean_average_precision(scores: FloatArray, truth: Truth) -> float:
    """Return the mean of the labels' average precisions."""
    return float(average_precisions(scores, truth).mean())


def bootstrap(statistic: Statistic, scores: FloatArray, truth: Truth, strata: Sequence[str], seed: int = 0) -> Interval:
    """Return a statistic with its percentile interval over recordings redrawn within each stratum.

    Redrawing within species keeps every species in every draw; with two recordings of one, it is still a guess.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(np.asarray(strata) == stratum) for stratum in sorted(set(strata))]
    draws = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(indices, len(indices)) for indices in members])
        draws.append(statistic(scores[drawn], truth[drawn]))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(statistic(scores, truth), float(low), float(high))


def count_events(rows: FloatArray, threshold: float, step_s: float, span_s: float) -> int:
    """Count one label's events: runs of rows (rows,) at or above a threshold, merged over gaps below 1 s."""
    heard = np.flatnonzero(rows >= threshold)
    if len(heard) == 0:
        return 0
    gaps_s = np.diff(heard) * step_s - span_s
    return 1 + int((gaps_s >= GAP_S).sum())


def poisson_rate(events: int, hours: float) -> Interval:
    """Return events an hour with their exact interval (Garwood 1936): none heard in an hour is not none at all."""
    low = chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    return Interval(events / hours, float(low / hours), float(chi2.ppf(0.975, 2 * events + 2) / 2 / hours))


def micro_f1(decisions: NDArray[np.bool_], truth: Truth) -> float:
    """Return F1 over all decisions at once, both (rows, labels); 0 where nothing is there and nothing was heard."""
    right = 2 * int((decisions & truth).sum())
    return right / max(1, int(decisions.sum()) + int(truth.sum()))
