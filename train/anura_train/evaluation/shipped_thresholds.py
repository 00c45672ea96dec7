"""The thresholds that a model is shipped with: they limit its false alarms on background."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.evaluation.false_alarms import count_events
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.thresholds import Platt

SHIPPED_GRID = np.round(np.arange(0.05, 0.96, 0.01), 2)
"""Candidate thresholds."""

MAX_FALSE_ALARMS_PER_HOUR = 1.0
"""Limit for all labels together on background; each label has an equal share of it."""

LOWEST_THRESHOLD, HIGHEST_THRESHOLD = 0.5, 0.9
"""More likely present than not, and not above what a label with two recordings can reach. The threshold with the best
F1 is lower, but only on recordings that all contain a frog. Most minutes of a season contain none."""


@dataclass(frozen=True, slots=True, eq=False)
class FalseAlarms:
    """Number of events on background at each candidate threshold."""

    events: NDArray[np.float64]
    """Shape (labels, len(SHIPPED_GRID))."""
    hours: float

    @property
    def per_hour(self) -> FloatArray:
        """Events per hour, of the same shape; zero without background."""
        return np.asarray(self.events / (self.hours or 1.0), np.float32)

    def __add__(self, other: "FalseAlarms") -> "FalseAlarms":
        """Return the sum of two."""
        return FalseAlarms(self.events + other.events, self.hours + other.hours)

    def count(self, thresholds: FloatArray) -> int:
        """Return the events of all labels at one threshold of the grid for each label, (labels,)."""
        chosen = np.abs(SHIPPED_GRID[None, :] - thresholds[:, None]).argmin(1)
        return int(self.events[np.arange(len(chosen)), chosen].sum())


def count_false_alarms(backgrounds: Predictions, platt: Platt) -> FalseAlarms:
    """Count the events of each label in backgrounds, at each threshold of the grid."""
    events = np.zeros((len(backgrounds.labels), len(SHIPPED_GRID)))
    for recording in backgrounds.recordings:
        probabilities = platt(backgrounds.frame_logits[recording.name])  # (frames, labels)
        events += [
            [count_events(scores, threshold, backgrounds.hop_s, backgrounds.window_s) for threshold in SHIPPED_GRID]
            for scores in probabilities.T
        ]
    return FalseAlarms(events, backgrounds.hours)


def shipped_thresholds(false_alarms: Sequence[FalseAlarms]) -> tuple[float, ...]:
    """Return the threshold of each label: LOWEST_THRESHOLD, or higher where it has too many false alarms.

    A label gets the lowest threshold of the grid, up to HIGHEST_THRESHOLD, that keeps it within its share of
    MAX_FALSE_ALARMS_PER_HOUR. With one hour of background this means no false alarm.
    """
    per_hour = reduce(FalseAlarms.__add__, false_alarms).per_hour  # (labels, len(SHIPPED_GRID))
    share = MAX_FALSE_ALARMS_PER_HOUR / len(per_hour)
    allowed = (SHIPPED_GRID >= LOWEST_THRESHOLD) & (SHIPPED_GRID <= HIGHEST_THRESHOLD)
    quiet_enough = allowed & (per_hour <= share)
    return tuple(float(SHIPPED_GRID[row.argmax()]) if row.any() else HIGHEST_THRESHOLD for row in quiet_enough)


def nested_count(folds: Sequence[FalseAlarms]) -> int:
    """Return the number of events when the thresholds of each fold are chosen on the other folds."""
    count = 0
    for number, tested in enumerate(folds):
        others = (*folds[:number], *folds[number + 1 :])
        count += tested.count(np.array(shipped_thresholds(others)))
    return count
