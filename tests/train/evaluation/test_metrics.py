"""Metrics agree with scikit-learn, for any weights and any order of items."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from anura_train.evaluation import metrics

SEEDS = st.integers(0, 1_000)


def draw(seed: int, items: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (1, items), scores with many ties (items, 3), and truth with every label present and absent."""
    rng = np.random.default_rng(seed)
    truth = rng.random((items, 3)) < 0.3
    truth[:3] = np.eye(3, dtype=bool)
    scores = np.round(np.clip(rng.random((items, 3)) * 0.7 + 0.3 * truth, 0, 1), 1).astype(np.float32)
    weights = rng.integers(0, 4, (1, items)).astype(float)
    weights[:, :3] = 1
    return weights, scores, truth


@given(SEEDS)
def test_weighted_metrics_equal_those_of_scikit_learn(seed: int) -> None:
    weights, scores, truth = draw(seed)
    for metric, reference in ((metrics.average_precision, average_precision_score), (metrics.auroc, roc_auc_score)):
        expected = [reference(truth[:, label], scores[:, label], sample_weight=weights[0]) for label in range(3)]
        assert metric(weights, scores, truth)[0] == pytest.approx(expected, abs=1e-9)
    decisions = scores >= 0.5
    each = f1_score(truth, decisions, average=None, sample_weight=weights[0], zero_division=0)
    assert metrics.f1(weights, decisions, truth)[0] == pytest.approx(each)
    micro = f1_score(truth, decisions, average="micro", sample_weight=weights[0])
    assert metrics.micro_f1(weights, decisions, truth)[0, 0] == pytest.approx(micro)


@given(SEEDS)
def test_macro_f1_equals_that_of_scikit_learn(seed: int) -> None:
    _, scores, truth = draw(seed)
    macro = metrics.mean_defined(metrics.f1(np.ones((1, len(truth))), scores > 0.7, truth))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert macro == pytest.approx(f1_score(truth, scores > 0.7, average="macro"))


@given(SEEDS)
def test_a_weight_is_a_number_of_copies(seed: int) -> None:
    weights, scores, truth = draw(seed)
    copies = np.repeat(np.arange(len(truth)), weights[0].astype(int))
    ones = np.ones((1, len(copies)))
    for metric in (metrics.average_precision, metrics.auroc, metrics.calibration_error):
        assert metric(weights, scores, truth) == pytest.approx(metric(ones, scores[copies], truth[copies]))


@given(SEEDS)
def test_the_order_of_items_does_not_matter(seed: int) -> None:
    weights, scores, truth = draw(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    for metric in (metrics.average_precision, metrics.auroc, metrics.calibration_error):
        assert metric(weights[:, order], scores[order], truth[order]) == pytest.approx(metric(weights, scores, truth))


def test_perfect_scores_give_perfect_metrics() -> None:
    _, _, truth = draw(0)
    ones = np.ones((1, len(truth)))
    scores = truth.astype(np.float32)
    for metric in (metrics.average_precision, metrics.auroc):
        assert (metric(ones, scores, truth) == 1).all()
    for metric in (metrics.f1, metrics.micro_f1):
        assert (metric(ones, truth, truth) == 1).all()
    assert (metrics.calibration_error(ones, scores, truth) == 0).all()


def test_random_scores_give_chance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((20_000, 2)) < [0.1, 0.4]
    scores = rng.random(truth.shape).astype(np.float32)
    ones = np.ones((1, len(truth)))
    assert metrics.auroc(ones, scores, truth)[0] == pytest.approx([0.5, 0.5], abs=0.02)
    assert metrics.average_precision(ones, scores, truth)[0] == pytest.approx([0.1, 0.4], abs=0.02)


def test_calibration_error_of_a_hand_computed_example() -> None:
    probabilities = np.array([[0.9], [0.9], [0.2], [0.2]], np.float32)
    truth = np.array([[True], [False], [False], [False]])
    # Half of the items have probability 0.9 and are true in half of the cases; half have 0.2 and are never true.
    assert metrics.calibration_error(np.ones((1, 4)), probabilities, truth)[0, 0] == pytest.approx(0.3)


def test_metrics_of_an_absent_label_are_not_defined() -> None:
    scores, truth = np.ones((2, 1), np.float32), np.zeros((2, 1), bool)
    for metric in (metrics.average_precision, metrics.auroc):
        assert np.isnan(metric(np.ones((1, 2)), scores, truth)).all()
    assert np.isnan(metrics.f1(np.ones((1, 2)), ~truth, truth)).all()


def test_the_mean_ignores_values_that_are_not_defined() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan]])
    assert metrics.mean_defined(values) == pytest.approx([1.0, np.nan], nan_ok=True)


def test_accuracy_compares_the_highest_score() -> None:
    scores = np.array([[0.2, 0.1], [0.3, 0.9]], np.float32)
    truth = np.array([[True, False], [True, False]])
    assert metrics.accuracy(np.ones((1, 2)), scores, truth)[0, 0] == 0.5
