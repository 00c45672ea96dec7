"""Thresholds reach a target of precision and of false alarms."""

import numpy as np
import pytest

from anura_train.evaluation.operating_points import (
    GRID,
    FalseAlarms,
    OperatingPoint,
    choose_thresholds,
    precise_threshold,
    quiet_thresholds,
    recording_precision,
    reliable_labels,
)

POINT = OperatingPoint(min_precision=0.75, max_false_alarms=1.0, margin=0.1)


def alarms(highest: dict[int, float], hours: float, labels: int = 3) -> FalseAlarms:
    """One event of each named label at each threshold up to its score."""
    events = np.zeros((labels, len(GRID)))
    for label, score in highest.items():
        events[label] = score >= GRID
    return FalseAlarms(events, hours)


@pytest.mark.parametrize(("hours", "allowed"), [(0.0, 0), (1.0, 0), (3.7, 0), (6.0, 1), (100.0, 80)])
def test_allowed_events_show_a_rate_below_the_limit(hours: float, allowed: int) -> None:
    assert POINT.allowed_events(hours) == allowed


def test_right_species_beside_another_one_counts_as_right() -> None:
    truth = np.array([[True, False], [True, False], [False, True], [False, True]])
    detected = np.array([[True, True], [False, True], [False, False], [False, True]])
    assert recording_precision(detected, truth) == pytest.approx(2 / 3)
    assert recording_precision(np.zeros((4, 2), bool), truth) == 1.0


def test_shared_threshold_is_the_lowest_that_is_precise_enough() -> None:
    truth = np.array([[True, False]] * 3 + [[False, True]])
    scores = np.array([[0.9, 0], [0.8, 0], [0.7, 0], [0.6, 0]], np.float32)
    assert precise_threshold(POINT, scores, truth, recording_precision) == pytest.approx(0.05)
    strict = OperatingPoint(0.9, 1.0, 0.0)
    assert precise_threshold(strict, scores, truth, recording_precision) == pytest.approx(0.61)


def test_label_with_scores_on_background_gets_a_threshold_above_them() -> None:
    quiet = quiet_thresholds(alarms({0: 0.4, 1: 0.2}, hours=1.0), allowed=0)
    np.testing.assert_allclose(quiet, [0.41, 0.21, 0.05])


def test_allowed_events_go_to_the_labels_where_they_are_cheapest() -> None:
    events = np.zeros((2, len(GRID)))
    events[0] = np.where(GRID < 0.3, 5, 1)
    events[1] = GRID < 0.5
    assert quiet_thresholds(FalseAlarms(events, 10.0), allowed=2).tolist() == pytest.approx([0.3, 0.05])


def test_label_that_no_threshold_makes_quiet_gets_the_highest() -> None:
    assert quiet_thresholds(alarms({0: 1.0}, hours=1.0), allowed=0)[0] == pytest.approx(GRID[-1])


def test_thresholds_reach_both_parts_of_the_target() -> None:
    truth = np.eye(3, dtype=bool)
    scores = np.array([[0.9, 0, 0], [0, 0.9, 0], [0.5, 0, 0.3]], np.float32)
    thresholds = choose_thresholds(POINT, scores, truth, [alarms({0: 0.6}, 1.0), alarms({1: 0.1}, 1.0)])
    np.testing.assert_allclose(thresholds, [0.71, 0.21, 0.15], atol=1e-6)


def test_without_background_a_further_label_counts_as_wrong() -> None:
    truth = np.eye(2, dtype=bool)
    scores = np.array([[0.9, 0.4], [0.4, 0.9]], np.float32)
    without = choose_thresholds(POINT, scores, truth, [alarms({}, 0.0, labels=2)])
    assert without.tolist() == pytest.approx([0.41, 0.41])


def test_without_background_only_the_precision_decides() -> None:
    scores, truth = np.array([[0.9], [0.2]], np.float32), np.array([[True], [False]])
    assert choose_thresholds(POINT, scores, truth, [alarms({}, 0.0, labels=1)]).tolist() == pytest.approx([0.21])


def test_label_found_in_one_group_is_not_reliable() -> None:
    truth = np.array([[True, True, True]] * 2 + [[False, False, False]])
    detected = np.array([[True, True, True], [True, False, True], [False, False, True]])
    assert reliable_labels(detected, truth, ["a", "b", "c"]).tolist() == [True, False, False]
    assert reliable_labels(detected, truth, ["a", "a", "c"]).tolist() == [False, False, False]
