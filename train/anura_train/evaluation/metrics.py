"""Evaluation metrics of whole data sets, computed for many weightings of their items together.

`weights` is (draws, items). Weights of one give the metric itself. The number of times that each item was drawn gives
the metric of a bootstrap draw. `truth` and `decisions` are bool, `scores` and `probabilities` float, all (items,
labels). A metric that is not defined is NaN, for example F1 of a label that no item with a weight has.
docs/reference/metrics.md defines each metric and cites its source.
"""

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray

Truth = NDArray[np.bool_]
Values = NDArray[np.float64]
Weights = NDArray[np.float64]

ECE_BINS = 10
"""Number of probability bins of equal width in the calibration error."""


def f1(weights: Weights, decisions: Truth, truth: Truth) -> Values:
    """Return F1 = 2 TP / (2 TP + FP + FN) of each label, (draws, labels)."""
    hits = weights @ (decisions & truth)
    errors = weights @ (decisions ^ truth)
    return _divide_where(weights @ truth, 2 * hits, 2 * hits + errors)


def micro_f1(weights: Weights, decisions: Truth, truth: Truth) -> Values:
    """Return F1 of the decisions of all labels together, (draws, 1)."""
    hits = weights @ (decisions & truth).sum(1, keepdims=True)
    errors = weights @ (decisions ^ truth).sum(1, keepdims=True)
    return _divide_where(weights @ truth.sum(1, keepdims=True), 2 * hits, 2 * hits + errors)


def accuracy(weights: Weights, scores: FloatArray, truth: Truth) -> Values:
    """Return the share of items whose label with the highest score is true, (draws, 1)."""
    right = truth[np.arange(len(truth)), scores.argmax(1)][:, None]
    return np.asarray(weights @ right / weights.sum(1, keepdims=True))


def average_precision(weights: Weights, scores: FloatArray, truth: Truth) -> Values:
    """Return the average precision of each label, (draws, labels): the mean precision at the scores of true items.

    Items with equal scores share one rank, as in scikit-learn.
    """
    return _each_label(_average_precision, weights, scores, truth)


def auroc(weights: Weights, scores: FloatArray, truth: Truth) -> Values:
    """Return the area under the ROC curve of each label (Hanley, McNeil 1982), (draws, labels).

    It is the probability that a true item has a higher score than a false one; equal scores count one half.
    """
    return _each_label(_auroc, weights, scores, truth)


def calibration_error(weights: Weights, probabilities: FloatArray, truth: Truth) -> Values:
    """Return the expected calibration error of each label (Naeini, Cooper, Hauskrecht 2015), (draws, labels)."""
    bins = np.minimum((probabilities * ECE_BINS).astype(int), ECE_BINS - 1)
    differences = probabilities.astype(np.float64) - truth
    errors = sum(np.abs(weights @ np.where(bins == number, differences, 0.0)) for number in range(ECE_BINS))
    return np.asarray(errors / weights.sum(1, keepdims=True))


def mean_defined(values: Values) -> Values:
    """Return the mean over the last axis of the values that are defined; NaN where none is."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0.0).sum(-1)
    return np.asarray(np.divide(total, defined.sum(-1), out=np.full_like(total, np.nan), where=defined.any(-1)))


def _average_precision(weights: Weights, score: FloatArray, truth: Truth) -> Values:
    order, last = _ranks(-score)
    ranked = weights[:, order]
    hits = np.cumsum(ranked * truth[order], axis=1)[:, last]
    detected = np.cumsum(ranked, axis=1)[:, last]
    precision = np.divide(hits, detected, out=np.zeros_like(hits), where=detected > 0)
    return _divide_where(weights @ truth, (precision * ranked * truth[order]).sum(1), weights @ truth)


def _auroc(weights: Weights, score: FloatArray, truth: Truth) -> Values:
    order, last = _ranks(score)
    positive, negative = weights[:, order] * truth[order], weights[:, order] * ~truth[order]
    up_to = np.cumsum(negative, axis=1)[:, last]
    # The first item of equal score: all items below it have a lower score.
    first = np.searchsorted(score[order], score[order], side="left")
    below = np.where(first > 0, np.cumsum(negative, axis=1)[:, first - 1], 0.0)
    pairs = positive.sum(1) * negative.sum(1)
    return _divide_where(pairs, (positive * (below + up_to) / 2).sum(1), pairs)


def _ranks(score: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the order of a score (items,) from low to high and, at each position, that of the last equal score."""
    order = np.argsort(score, kind="stable")
    return order, np.searchsorted(score[order], score[order], side="right") - 1


def _each_label(metric, weights: Weights, scores: FloatArray, truth: Truth) -> Values:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return np.stack([metric(weights, scores[:, label], truth[:, label]) for label in range(truth.shape[1])], axis=1)


def _divide_where(condition: Values, numerator: Values, denominator: Values) -> Values:
    """Return numerator / denominator; NaN where the condition is 0."""
    out = np.full_like(numerator, np.nan, dtype=np.float64)
    return np.divide(numerator, denominator, out=out, where=condition > 0)
