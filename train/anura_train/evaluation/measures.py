"""Figures of merit of whole sets, for many weightings of their items at once.

`weights` is (draws, items): ones give the figure itself, and how often each item was redrawn gives the figure of a
redrawn set. `truth` and `decisions` are bool, `scores` and `probabilities` float, all (items, labels). A figure that
is not defined, as F1 of a label that no item with any weight has, is NaN.
docs/reference/metrics.md says what each figure is and where it comes from.
"""

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.evaluation.metrics import Truth

Figures = NDArray[np.float64]
Weights = NDArray[np.float64]

BINS = 10
"""Bins of probability, all as wide, of the calibration error."""


def f1(weights: Weights, decisions: Truth, truth: Truth) -> Figures:
    """Return each label's F1 = 2 TP / (2 TP + FP + FN), (draws, labels)."""
    hits = weights @ (decisions & truth)
    errors = weights @ (decisions ^ truth)
    return _where_any(weights @ truth, 2 * hits, 2 * hits + errors)


def micro_f1(weights: Weights, decisions: Truth, truth: Truth) -> Figures:
    """Return F1 of all decisions taken together, (draws, 1)."""
    hits = weights @ (decisions & truth).sum(1, keepdims=True)
    errors = weights @ (decisions ^ truth).sum(1, keepdims=True)
    return _where_any(weights @ truth.sum(1, keepdims=True), 2 * hits, 2 * hits + errors)


def accuracy(weights: Weights, scores: FloatArray, truth: Truth) -> Figures:
    """Return the share of items whose highest score is of a label that they have, (draws, 1)."""
    right = truth[np.arange(len(truth)), scores.argmax(1)][:, None]
    return np.asarray(weights @ right / weights.sum(1, keepdims=True))


def average_precision(weights: Weights, scores: FloatArray, truth: Truth) -> Figures:
    """Return each label's average precision, (draws, labels): precision at each score that a true item has.

    Items of equal score are one rank.
    """
    return _each_label(_average_precision, weights, scores, truth)


def auroc(weights: Weights, scores: FloatArray, truth: Truth) -> Figures:
    """Return the chance that a label's true item outranks another, ties half (Hanley, McNeil 1982), (draws, labels)."""
    return _each_label(_auroc, weights, scores, truth)


def calibration_error(weights: Weights, probabilities: FloatArray, truth: Truth) -> Figures:
    """Return each label's expected calibration error (Naeini, Cooper, Hauskrecht 2015), (draws, labels)."""
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    off = probabilities.astype(np.float64) - truth
    errors = sum(np.abs(weights @ np.where(bins == each, off, 0.0)) for each in range(BINS))
    return np.asarray(errors / weights.sum(1, keepdims=True))


def _average_precision(weights: Weights, score: FloatArray, true: Truth) -> Figures:
    order, last = _ranks(-score)
    ranked = weights[:, order]
    found = np.cumsum(ranked * true[order], axis=1)[:, last]
    heard = np.cumsum(ranked, axis=1)[:, last]
    precision = np.divide(found, heard, out=np.zeros_like(found), where=heard > 0)
    return _where_any(weights @ true, (precision * ranked * true[order]).sum(1), weights @ true)


def _auroc(weights: Weights, score: FloatArray, true: Truth) -> Figures:
    order, last = _ranks(score)
    positive, negative = weights[:, order] * true[order], weights[:, order] * ~true[order]
    up_to = np.cumsum(negative, axis=1)[:, last]
    # The first of equals: what lies below it lies below all of them.
    first = np.searchsorted(score[order], score[order], side="left")
    below = np.where(first > 0, np.cumsum(negative, axis=1)[:, first - 1], 0.0)
    pairs = positive.sum(1) * negative.sum(1)
    return _where_any(pairs, (positive * (below + up_to) / 2).sum(1), pairs)


def _ranks(score: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the order of a score (items,) from low to high, and for each place in it the last of its equals."""
    order = np.argsort(score, kind="stable")
    return order, np.searchsorted(score[order], score[order], side="right") - 1


def _each_label(figure, weights: Weights, scores: FloatArray, truth: Truth) -> Figures:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return np.stack([figure(weights, scores[:, label], truth[:, label]) for label in range(truth.shape[1])], axis=1)


def _where_any(there: Figures, above: Figures, below: Figures) -> Figures:
    """Return above / below, NaN where nothing is there."""
    return np.divide(above, below, out=np.full_like(above, np.nan, dtype=np.float64), where=there > 0)
