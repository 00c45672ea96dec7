"""Figures are what scikit-learn says, and what can be counted by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from anura_train.evaluation.calibration import GRID, Platt, best_threshold, fit_platt, shipped_thresholds
from anura_train.evaluation.metrics import (
    average_precisions,
    bootstrap,
    count_events,
    macro_f1,
    mean_average_precision,
    poisson_rate,
)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random((40, 3)) < 0.3
    truth[:3] = np.eye(3, dtype=bool)
    return (rng.random((40, 3)) + 0.5 * truth).astype(np.float32), truth


@given(st.integers(0, 1_000))
def test_average_precision_and_f1_are_scikit_learns(seed: int) -> None:
    scores, truth = drawn(seed)
    expected = [average_precision_score(truth[:, label], scores[:, label]) for label in range(3)]
    assert np.allclose(average_precisions(scores, truth), expected, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert macro_f1(scores > 0.7, truth) == pytest.approx(f1_score(truth, scores > 0.7, average="macro"))


def test_the_interval_holds_the_figure() -> None:
    scores, truth = drawn(0)
    interval = bootstrap(mean_average_precision, scores, truth, [str(row) for row in truth.argmax(1)])
    assert interval.low <= interval.value <= interval.high
    assert interval.low < interval.high


def test_a_figure_without_doubt_has_no_width() -> None:
    truth = np.repeat(np.eye(3, dtype=bool), 4, axis=0)
    interval = bootstrap(mean_average_precision, truth.astype(np.float32), truth, list("aaaabbbbcccc"))
    assert (interval.low, interval.value, interval.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("heard", "events"), [([], 0), ([3], 1), ([3, 4, 5], 1), ([3, 12], 1), ([3, 14], 2), ([0, 20, 40], 3)]
)
def test_events_closer_than_a_second_are_one(heard: list[int], events: int) -> None:
    rows = np.zeros(50, np.float32)
    rows[heard] = 0.5
    assert count_events(rows, 0.5, step_s=0.1, span_s=0.1) == events


def test_windows_that_overlap_are_one_event() -> None:
    rows = np.array([1, 0, 1, 0, 0, 0, 1], np.float32)
    assert count_events(rows, 0.5, step_s=1.0, span_s=3.0) == 2


def test_platt_finds_the_line_that_made_the_truth() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20_000, 2)).astype(np.float32)
    made = Platt(0.7, -1.2)
    platt = fit_platt(logits, rng.random(logits.shape) < made(logits))
    assert platt.slope == pytest.approx(made.slope, abs=0.05)
    assert platt.offset == pytest.approx(made.offset, abs=0.05)


def test_the_best_threshold_separates() -> None:
    truth = np.repeat(np.eye(3, dtype=bool), 4, axis=0)
    threshold = best_threshold(np.where(truth, 0.62, 0.31).astype(np.float32), truth)
    assert 0.31 < threshold <= 0.62


def test_a_label_that_background_sounds_like_gets_a_higher_threshold() -> None:
    rates = np.stack([np.zeros(len(GRID)), np.where(GRID < 0.7, 0.4, 0.3), np.full(len(GRID), 9.0)]).astype(np.float32)
    assert shipped_thresholds(rates) == pytest.approx((0.5, 0.7, 0.9))


def test_a_rate_of_rare_events_has_the_interval_of_the_textbook() -> None:
    assert poisson_rate(0, 1.0).high == pytest.approx(3.689, abs=1e-3)
    ten = poisson_rate(10, 2.0)
    assert (ten.value, ten.low, ten.high) == pytest.approx((5.0, 4.795 / 2, 18.39 / 2), abs=2e-3)
