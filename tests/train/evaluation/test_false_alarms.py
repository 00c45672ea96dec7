"""Events are merged over short gaps, and rates of rare events have exact intervals."""

import numpy as np
import pytest

from anura_train.evaluation.false_alarms import count_events, poisson_rate


@pytest.mark.parametrize(
    ("detected", "events"), [([], 0), ([3], 1), ([3, 4, 5], 1), ([3, 12], 1), ([3, 14], 2), ([0, 20, 40], 3)]
)
def test_detections_closer_than_a_second_are_one_event(detected: list[int], events: int) -> None:
    scores = np.zeros(50, np.float32)
    scores[detected] = 0.5
    assert count_events(scores, 0.5, hop_s=0.1, window_s=0.1) == events


def test_overlapping_windows_are_one_event() -> None:
    scores = np.array([1, 0, 1, 0, 0, 0, 1], np.float32)
    assert count_events(scores, 0.5, hop_s=1.0, window_s=3.0) == 2


def test_a_rate_of_rare_events_has_the_interval_of_textbooks() -> None:
    assert poisson_rate(0, 1.0).high == pytest.approx(3.689, abs=1e-3)
    ten = poisson_rate(10, 2.0)
    assert (ten.value, ten.low, ten.high) == pytest.approx((5.0, 4.795 / 2, 18.39 / 2), abs=2e-3)
