"""Shipped thresholds limit false alarms, which are counted at thresholds from other recordings."""

import numpy as np
import pytest

from anura_train.evaluation.shipped_thresholds import SHIPPED_GRID, FalseAlarms, nested_count, shipped_thresholds


def one_event(label: int, below: float, labels: int = 20) -> FalseAlarms:
    """An hour with one event of a label at each threshold below a value."""
    events = np.zeros((labels, len(SHIPPED_GRID)))
    events[label] = below > SHIPPED_GRID
    return FalseAlarms(events, 1.0)


def test_a_label_with_many_false_alarms_gets_a_higher_threshold() -> None:
    events = [np.zeros(len(SHIPPED_GRID)), np.where(SHIPPED_GRID < 0.7, 0.4, 0.3), np.full(len(SHIPPED_GRID), 9.0)]
    assert shipped_thresholds([FalseAlarms(np.stack(events), 1.0)]) == pytest.approx((0.5, 0.7, 0.9))


def test_events_are_counted_at_the_thresholds_of_other_folds() -> None:
    quiet = one_event(0, 0.0)
    assert nested_count([one_event(0, 0.8), quiet, quiet]) == 1
    assert nested_count([one_event(0, 0.8), one_event(0, 0.85), quiet]) == 1
    assert nested_count([one_event(0, 0.8), one_event(1, 0.8), quiet]) == 2
    assert nested_count([quiet, quiet]) == 0


def test_a_sum_has_the_events_and_hours_of_both() -> None:
    both = one_event(0, 0.8) + one_event(1, 0.6)
    assert both.hours == 2.0
    assert both.count(np.full(20, 0.55)) == 2
    assert both.count(np.full(20, 0.85)) == 0
    assert both.per_hour.max() == 0.5
