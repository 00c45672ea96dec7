"""Figures are what scikit-learn says, with any weights, in any order of items."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from anura_train.evaluation import measures

SEEDS = st.integers(0, 1_000)


def drawn(seed: int, items: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (1, items), scores with many ties (items, 3), and truth in which every label is and is not."""
    rng = np.random.default_rng(seed)
    truth = rng.random((items, 3)) < 0.3
    truth[:3] = np.eye(3, dtype=bool)
    scores = np.round(np.clip(rng.random((items, 3)) * 0.7 + 0.3 * truth, 0, 1), 1).astype(np.float32)
    weights = rng.integers(0, 4, (1, items)).astype(float)
    weights[:, :3] = 1
    return weights, scores, truth


@given(SEEDS)
def test_weighted_figures_are_scikit_learns(seed: int) -> None:
    weights, scores, truth = drawn(seed)
    for figure, theirs in ((measures.average_precision, average_precision_score), (measures.auroc, roc_auc_score)):
        expected = [theirs(truth[:, label], scores[:, label], sample_weight=weights[0]) for label in range(3)]
        assert figure(weights, scores, truth)[0] == pytest.approx(expected, abs=1e-9)
    heard = scores >= 0.5
    each = f1_score(truth, heard, average=None, sample_weight=weights[0], zero_division=0)
    assert measures.f1(weights, heard, truth)[0] == pytest.approx(each)
    whole = f1_score(truth, heard, average="micro", sample_weight=weights[0])
    assert measures.micro_f1(weights, heard, truth)[0, 0] == pytest.approx(whole)


@given(SEEDS)
def test_a_weight_is_a_number_of_copies(seed: int) -> None:
    weights, scores, truth = drawn(seed)
    copies = np.repeat(np.arange(len(truth)), weights[0].astype(int))
    ones = np.ones((1, len(copies)))
    for figure in (measures.average_precision, measures.auroc, measures.calibration_error):
        assert figure(weights, scores, truth) == pytest.approx(figure(ones, scores[copies], truth[copies]))


@given(SEEDS)
def test_the_order_of_items_does_not_matter(seed: int) -> None:
    weights, scores, truth = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    for figure in (measures.average_precision, measures.auroc, measures.calibration_error):
        assert figure(weights[:, order], scores[order], truth[order]) == pytest.approx(figure(weights, scores, truth))


def test_perfect_scores_are_one_and_without_error() -> None:
    _, _, truth = drawn(0)
    ones = np.ones((1, len(truth)))
    scores = truth.astype(np.float32)
    for figure in (measures.average_precision, measures.auroc, measures.f1, measures.micro_f1):
        assert (figure(ones, scores if figure not in (measures.f1, measures.micro_f1) else truth, truth) == 1).all()
    assert (measures.calibration_error(ones, scores, truth) == 0).all()


def test_scores_at_random_are_chance() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((20_000, 2)) < [0.1, 0.4]
    scores = rng.random(truth.shape).astype(np.float32)
    ones = np.ones((1, len(truth)))
    assert measures.auroc(ones, scores, truth)[0] == pytest.approx([0.5, 0.5], abs=0.02)
    assert measures.average_precision(ones, scores, truth)[0] == pytest.approx([0.1, 0.4], abs=0.02)


def test_the_calibration_error_is_counted_by_hand() -> None:
    probabilities = np.array([[0.9], [0.9], [0.2], [0.2]], np.float32)
    truth = np.array([[True], [False], [False], [False]])
    # Half of the items are said to be 0.9 and are 0.5, half 0.2 and are 0.
    assert measures.calibration_error(np.ones((1, 4)), probabilities, truth)[0, 0] == pytest.approx(0.3)


def test_a_label_that_nothing_has_has_no_figure() -> None:
    scores, truth = np.ones((2, 1), np.float32), np.zeros((2, 1), bool)
    for figure in (measures.average_precision, measures.auroc):
        assert np.isnan(figure(np.ones((1, 2)), scores, truth)).all()
    assert np.isnan(measures.f1(np.ones((1, 2)), ~truth, truth)).all()


def test_accuracy_asks_for_the_highest_score() -> None:
    scores = np.array([[0.2, 0.1], [0.3, 0.9]], np.float32)
    truth = np.array([[True, False], [True, False]])
    assert measures.accuracy(np.ones((1, 2)), scores, truth)[0, 0] == 0.5
