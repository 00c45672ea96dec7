"""Calibration of logits, and the thresholds with the best F1, fitted for each fold on the other folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from anura_edge.audio import FloatArray
from anura_train.evaluation.metrics import Truth, f1, mean_defined
from anura_train.evaluation.predictions import NO_FOLD, Predictions

MIN_OWN_GROUPS = 20
"""A label with this many groups gets its own calibration and threshold; labels with fewer groups share them."""

THRESHOLD_GRID = np.asarray(expit(np.linspace(-7, 4, 111)), np.float32)
"""Candidate thresholds, equally spaced in log-odds. The best threshold for F1 is half of that F1 (Lipton, Elkan,
Naryanaswamy 2014), so a weak model of rare species needs very low ones."""


@dataclass(frozen=True, slots=True)
class Platt:
    """Platt scaling (Platt 1999): probability = sigmoid(slope * logit + offset)."""

    slope: float
    offset: float

    def __call__(self, logits: FloatArray) -> FloatArray:
        """Return probabilities of logits, of any shape."""
        return np.asarray(expit(self.slope * logits + self.offset), np.float32)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The calibration and the threshold of each label."""

    calibration: tuple[Platt, ...]
    values: tuple[float, ...]
    """Of calibrated probabilities: those with the best F1."""

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities of logits (frames, labels)."""
        slope = np.array([each.slope for each in self.calibration])
        offset = np.array([each.offset for each in self.calibration])
        return np.asarray(expit(slope * logits + offset), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedScores:
    """Out-of-fold scores, all (recordings, labels)."""

    raw: FloatArray
    """sigmoid(logit), not calibrated."""
    calibrated: FloatArray
    """Probabilities with the calibration from the other folds."""
    detected: Truth
    """Decisions at the thresholds from the other folds."""


Fit = Callable[[FloatArray, Truth, Sequence[str]], Thresholds]
"""Takes logits and truth, both (recordings, labels), and the group of each recording."""


def fit_platt(logits: FloatArray, truth: Truth) -> Platt:
    """Fit one slope and offset for all labels on out-of-fold logits and truth, both (recordings, labels)."""
    # C is the inverse of the penalty on the slope. With this large value the fit is maximum likelihood.
    model = LogisticRegression(C=1e6).fit(logits.reshape(-1, 1), truth.reshape(-1))
    return Platt(float(model.coef_[0, 0]), float(model.intercept_[0]))


def best_threshold(probabilities: FloatArray, truth: Truth, grid: FloatArray) -> float:
    """Return the threshold of a grid with the best macro-F1 of all labels; of several best ones, the middle one."""
    one = np.ones((1, len(truth)))
    scores = np.array([mean_defined(f1(one, probabilities >= threshold, truth))[0] for threshold in grid])
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(grid[best[len(best) // 2]])


def fit_shared_thresholds(logits: FloatArray, truth: Truth, grid: FloatArray = THRESHOLD_GRID) -> Thresholds:
    """Fit one calibration and one threshold for all labels, on logits and truth, both (recordings, labels)."""
    platt = fit_platt(logits, truth)
    labels = truth.shape[1]
    return Thresholds((platt,) * labels, (best_threshold(platt(logits), truth, grid),) * labels)


def fit_thresholds(logits: FloatArray, truth: Truth, groups: Sequence[str]) -> Thresholds:
    """Fit on logits and truth, both (recordings, labels), and the group of each recording.

    Labels with few groups share one calibration and one threshold: a pair for each would be fitted on as few as two
    recordings.
    """
    shared = fit_platt(logits, truth)
    own = _has_own_fit(truth, groups)
    calibration = tuple(
        fit_platt(logits[:, [label]], truth[:, [label]]) if own[label] else shared for label in range(truth.shape[1])
    )
    probabilities = Thresholds(calibration, ()).probabilities(logits)
    threshold = best_threshold(probabilities, truth, THRESHOLD_GRID)
    values = tuple(
        best_threshold(probabilities[:, [label]], truth[:, [label]], THRESHOLD_GRID) if own[label] else threshold
        for label in range(truth.shape[1])
    )
    return Thresholds(calibration, values)


def fit_nested_thresholds(predictions: Predictions, fit: Fit = fit_thresholds) -> dict[int, Thresholds]:
    """Return for each fold the thresholds that are fitted on the other folds."""
    logits, truth, groups = predictions.logits, predictions.truth, np.array(predictions.groups)
    others = {int(fold): predictions.fold != fold for fold in np.unique(predictions.fold)}
    return {fold: fit(logits[rest], truth[rest], groups[rest]) for fold, rest in others.items()}


def fit_test_thresholds(predictions: Predictions) -> dict[int, Thresholds]:
    """Return the thresholds for recordings of no fold, fitted on all folds together."""
    return {NO_FOLD: fit_thresholds(predictions.logits, predictions.truth, predictions.groups)}


def apply_thresholds(predictions: Predictions, thresholds: dict[int, Thresholds]) -> CalibratedScores:
    """Calibrate each recording and decide, with the thresholds of its fold."""
    logits = predictions.logits
    calibrated = np.zeros_like(logits)
    detected = np.zeros(logits.shape, bool)
    for fold, chosen in thresholds.items():
        inside = predictions.fold == fold
        calibrated[inside] = chosen.probabilities(logits[inside])
        detected[inside] = calibrated[inside] >= np.array(chosen.values)
    return CalibratedScores(np.asarray(expit(logits), np.float32), calibrated, detected)


def f1_curve(probability: FloatArray, truth: Truth) -> FloatArray:
    """Return the F1 of one label at each of THRESHOLD_GRID, from probabilities and truth, both (recordings,)."""
    detected = probability[None] >= THRESHOLD_GRID[:, None]
    return np.asarray(2 * (detected & truth).sum(1) / np.maximum(detected.sum(1) + truth.sum(), 1), np.float32)


def _has_own_fit(truth: Truth, groups: Sequence[str]) -> list[bool]:
    """Return for each label whether enough groups have it and at least one recording lacks it."""
    names = np.asarray(groups)
    return [len(set(names[column])) >= MIN_OWN_GROUPS and not column.all() for column in truth.T]
