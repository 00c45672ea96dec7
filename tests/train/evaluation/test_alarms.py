"""False alarms are counted at thresholds that the counted recordings had no part in."""

import numpy as np

from anura_train.evaluation.calibration import GRID
from anura_train.evaluation.shipped import Alarms, nested_count


def loud(label: int, up_to: float, labels: int = 20) -> Alarms:
    """An hour with one event of a label at every threshold below one."""
    events = np.zeros((labels, len(GRID)))
    events[label] = up_to > GRID
    return Alarms(events, 1.0)


def test_an_event_is_counted_at_the_threshold_that_others_chose() -> None:
    quiet = loud(0, 0.0)
    assert nested_count([loud(0, 0.8), quiet, quiet]) == 1
    assert nested_count([loud(0, 0.8), loud(0, 0.85), quiet]) == 1
    assert nested_count([loud(0, 0.8), loud(1, 0.8), quiet]) == 2
    assert nested_count([quiet, quiet]) == 0


def test_together_are_the_events_and_the_hours_of_both() -> None:
    both = loud(0, 0.8) + loud(1, 0.6)
    assert both.hours == 2.0
    assert both.count(np.full(20, 0.55)) == 2
    assert both.count(np.full(20, 0.85)) == 0
    assert both.per_hour.max() == 0.5
