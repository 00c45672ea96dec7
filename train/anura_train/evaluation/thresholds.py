"""Calibration and thresholds, chosen for each fold on the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from anura_edge.audio import FloatArray
from anura_train.evaluation.calibration import Platt, best_threshold, fit_platt
from anura_train.evaluation.metrics import Truth
from anura_train.evaluation.predictions import NO_FOLD, Predictions

MIN_OWN_GROUPS = 20
"""Groups with a species from which on it gets a calibration and a threshold of its own; fewer share one."""


THRESHOLD_GRID = np.asarray(expit(np.linspace(-7, 4, 111)), np.float32)
"""Thresholds tried, even in log-odds. The best for F1 is half of that F1 (Lipton, Elkan, Naryanaswamy 2014), so a weak
model of rare species has very low ones."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What was chosen for each label."""

    calibration: tuple[Platt, ...]
    thresholds: tuple[float, ...]
    """Of calibrated probabilities: those with the best F1."""

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities of logits (rows, labels)."""
        slope = np.array([each.slope for each in self.calibration])
        offset = np.array([each.offset for each in self.calibration])
        return np.asarray(expit(slope * logits + offset), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedScores:
    """What became of logits: all arrays (recordings, labels), each recording's by what other folds chose."""

    raw: FloatArray
    """Probabilities as the model means them: the sigmoid of its logits."""
    calibrated: FloatArray
    tuned: Truth
    """Decisions at the chosen thresholds."""


def fit_thresholds(logits: FloatArray, truth: Truth, groups: Sequence[str]) -> Thresholds:
    """Choose on logits and truth, both (recordings, labels), and each recording's group."""
    shared = fit_platt(logits, truth)
    own = _have_enough(truth, groups)
    calibration = tuple(
        fit_platt(logits[:, [label]], truth[:, [label]]) if own[label] else shared for label in range(truth.shape[1])
    )
    probabilities = Thresholds(calibration, ()).probabilities(logits)
    threshold = best_threshold(probabilities, truth, THRESHOLD_GRID)
    thresholds = tuple(
        best_threshold(probabilities[:, [label]], truth[:, [label]], THRESHOLD_GRID) if own[label] else threshold
        for label in range(truth.shape[1])
    )
    return Thresholds(calibration, thresholds)


def fit_nested_thresholds(trial: Predictions) -> dict[int, Thresholds]:
    """Return for each fold what the other folds choose."""
    logits, truth, groups = trial.logits, trial.truth, np.array(trial.groups)
    return {
        int(fold): fit_thresholds(logits[trial.fold != fold], truth[trial.fold != fold], groups[trial.fold != fold])
        for fold in np.unique(trial.fold)
    }


def fit_test_thresholds(trial: Predictions) -> dict[int, Thresholds]:
    """Return what all folds together choose for what was in none of them."""
    return {NO_FOLD: fit_thresholds(trial.logits, trial.truth, trial.groups)}


def apply_thresholds(trial: Predictions, choices: dict[int, Thresholds]) -> CalibratedScores:
    """Apply to each recording what was chosen without its fold."""
    logits = trial.logits
    calibrated = np.zeros_like(logits)
    tuned = np.zeros(logits.shape, bool)
    for fold, choice in choices.items():
        here = trial.fold == fold
        calibrated[here] = choice.probabilities(logits[here])
        tuned[here] = calibrated[here] >= np.array(choice.thresholds)
    return CalibratedScores(np.asarray(expit(logits), np.float32), calibrated, tuned)


def f1_curve(probability: FloatArray, true: Truth) -> FloatArray:
    """Return one label's F1 at each of THRESHOLDS, of probabilities and truth, both (recordings,)."""
    heard = probability[None] >= THRESHOLD_GRID[:, None]
    return np.asarray(2 * (heard & true).sum(1) / np.maximum(heard.sum(1) + true.sum(), 1), np.float32)


def _have_enough(truth: Truth, groups: Sequence[str]) -> list[bool]:
    """Say of each label whether enough groups have it, and any lacks it."""
    names = np.asarray(groups)
    return [len(set(names[column])) >= MIN_OWN_GROUPS and not column.all() for column in truth.T]
