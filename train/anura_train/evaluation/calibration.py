"""From logits to probabilities that mean something, and to the thresholds that are shipped."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from anura_edge.audio import FloatArray
from anura_train.evaluation.metrics import Truth, macro_f1

GRID = np.round(np.arange(0.05, 0.96, 0.01), 2)
"""Thresholds tried."""

FALSE_ALARMS_PER_HOUR = 1.0
"""What all labels together may cost on background at the thresholds that are shipped; each has an equal share."""

LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.5, 0.9
"""More likely there than not, and not beyond what two recordings can reach. F1's best threshold lies lower, but on
recordings that all have a frog; most minutes of a season have none."""


@dataclass(frozen=True, slots=True)
class Platt:
    """Probability = sigmoid(slope * logit + offset), one pair for all labels (Platt 1999).

    A pair for each label would be fitted on as few as two recordings.
    """

    slope: float
    offset: float

    def __call__(self, logits: FloatArray) -> FloatArray:
        """Return probabilities of logits, of any shape."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * logits + self.offset))), np.float32)


def fit_platt(logits: FloatArray, truth: Truth) -> Platt:
    """Fit on recording scores and truth, both (recordings, labels), that the model did not learn from."""
    # C is the inverse of the penalty on the slope: so large, it is maximum likelihood.
    model = LogisticRegression(C=1e6).fit(logits.reshape(-1, 1), truth.reshape(-1))
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def best_threshold(probabilities: FloatArray, truth: Truth, grid: FloatArray = GRID) -> float:
    """Return the one threshold of a grid for all labels with the best macro-F1, the middle one of equals."""
    scores = np.array([macro_f1(probabilities >= threshold, truth) for threshold in grid])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(grid[best[len(best) // 2]])


def shipped_thresholds(false_alarms_per_hour: FloatArray) -> tuple[float, ...]:
    """Return each label's threshold: LOWEST_THRESHOLD, raised where background sounds like that label too often.

    `false_alarms_per_hour` is (labels, len(GRID)), on background out of fold. A label gets the lowest threshold of the
    grid, up to HIGHEST_THRESHOLD, that keeps it to its share of FALSE_ALARMS_PER_HOUR: in an hour of background, to
    none.
    """
    share = FALSE_ALARMS_PER_HOUR / len(false_alarms_per_hour)
    allowed = (GRID >= LOWEST_THRESHOLD) & (GRID <= HIGHEST_THRESHOLD)
    quiet_enough = allowed & (false_alarms_per_hour <= share)
    return tuple(float(GRID[row.argmax()]) if row.any() else HIGHEST_THRESHOLD for row in quiet_enough)
