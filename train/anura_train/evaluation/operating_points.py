"""Operating points: thresholds that reach a target on recordings that no model was trained on.

A target has two parts: the precision on recordings with a species, and the false alarms an hour on background. One
threshold for all labels reaches the precision: a label has too few recordings for a choice of its own. Background needs
no labels, so there is more of it, and each label also gets a threshold above its scores there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.evaluation.false_alarms import count_events, poisson_rate
from anura_train.evaluation.metrics import Truth
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.thresholds import Platt

GRID = np.round(np.arange(0.05, 0.995, 0.01), 2)
"""Candidate thresholds."""

MIN_FOUND_GROUPS, MIN_LABEL_PRECISION = 2, 0.75
"""A label is reliable if it was found in recordings of so many groups, and if so many of its detections were right.
With two to ten recordings it cannot be shown that a label alone reaches the precision of all labels together."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The target of a preset."""

    min_precision: float
    """Of the recordings with a species in which a model detects anything, the share in which it detects the right
    species. A further species in a recording does not count as wrong: recordings are labelled with one. Without
    background it is the share of detections that are right, and a further species counts as wrong."""
    max_false_alarms: float
    """Limit of all labels together, events an hour on background: for the upper end of the interval of the rate. Where
    there are too few hours to show that, no false alarm is allowed."""

    margin: float
    """Distance of a threshold from the label's scores on background: other places have other sounds."""

    def allowed_events(self, hours: float) -> int:
        """Return the largest number of events in so many hours that shows a rate below the limit; 0 if none does."""
        events = 0
        while hours and poisson_rate(events + 1, hours).high < self.max_false_alarms:
            events += 1
        return events


SENSITIVE = OperatingPoint(min_precision=0.8, max_false_alarms=5.0, margin=0.0)
DEFAULT = OperatingPoint(min_precision=0.9, max_false_alarms=1.0, margin=0.2)
STRICT = OperatingPoint(min_precision=0.93, max_false_alarms=0.2, margin=0.4)
"""The presets. The margin of `default` was chosen on four other splits into folds: with 0.2, two false alarms in 17 h
are left, with 0.1 there are nine."""


@dataclass(frozen=True, slots=True, eq=False)
class FalseAlarms:
    """Number of events on background at each candidate threshold."""

    events: NDArray[np.float64]
    """Shape (labels, len(GRID))."""
    hours: float

    def __add__(self, other: "FalseAlarms") -> "FalseAlarms":
        """Return the sum of two."""
        return FalseAlarms(self.events + other.events, self.hours + other.hours)

    def count(self, thresholds: FloatArray) -> int:
        """Return the events of all labels at one threshold for each label, (labels,), as on the grid."""
        return int(self.events[np.arange(len(thresholds)), grid_index(thresholds)].sum())


def grid_index(thresholds: FloatArray) -> NDArray[np.intp]:
    """Return the index of the candidate that is nearest to each threshold."""
    return np.asarray(np.abs(GRID[None, :] - thresholds[:, None]).argmin(1))


def count_false_alarms(backgrounds: Predictions, platt: Platt) -> FalseAlarms:
    """Count the events of each label in backgrounds, at each threshold of the grid."""
    events = np.zeros((len(backgrounds.labels), len(GRID)))
    for recording in backgrounds.recordings:
        probabilities = platt(backgrounds.frame_logits[recording.name])  # (frames, labels)
        for label, scores in enumerate(probabilities.T):
            for number in np.flatnonzero(scores.max() >= GRID):
                events[label, number] += count_events(scores, GRID[number], backgrounds.hop_s, backgrounds.window_s)
    return FalseAlarms(events, backgrounds.hours)


def choose_thresholds(
    point: OperatingPoint, probabilities: FloatArray, truth: Truth, false_alarms: Sequence[FalseAlarms]
) -> FloatArray:
    """Return the threshold of each label, (labels,).

    `probabilities` and `truth` are of recordings with a species, (recordings, labels).
    """
    total = reduce(FalseAlarms.__add__, false_alarms)
    quiet = quiet_thresholds(total, point.allowed_events(total.hours))
    # Without background, the recordings of other labels are the only evidence of false alarms.
    precision = recording_precision if total.hours else detection_precision
    precise = precise_threshold(point, probabilities, truth, precision)
    lowest = quiet + point.margin if total.hours else quiet
    return np.asarray(np.maximum(precise, lowest).clip(max=GRID[-1]).round(2), np.float32)


def precise_threshold(
    point: OperatingPoint, probabilities: FloatArray, truth: Truth, precision: Callable[[Truth, Truth], float]
) -> float:
    """Return the lowest candidate at which the precision of all labels together is high enough.

    `precision` gives it for detections and truth, both (recordings, labels).
    """
    precise = [precision(probabilities >= threshold, truth) >= point.min_precision for threshold in GRID]
    return float(GRID[precise.index(True) if any(precise) else -1])


def quiet_thresholds(false_alarms: FalseAlarms, allowed: int) -> FloatArray:
    """Return the lowest candidate of each label, (labels,), with which all labels have few enough events together."""
    chosen = np.zeros(len(false_alarms.events), np.intp)
    labels = np.arange(len(chosen))
    while (events := false_alarms.events[labels, chosen]).sum() > allowed:
        # The label with the most events goes up to its next threshold with fewer.
        label = int(np.where(chosen < len(GRID) - 1, events, -1).argmax())
        fewer = np.flatnonzero(false_alarms.events[label, chosen[label] :] < events[label])
        chosen[label] = chosen[label] + fewer[0] if len(fewer) else len(GRID) - 1
        if (chosen == len(GRID) - 1).all():
            break
    return np.asarray(GRID[chosen], np.float32)


def recording_precision(detected: Truth, truth: Truth) -> float:
    """Return the share of the recordings with a detection in which a right label is detected; 1 without a detection."""
    spoken = np.logical_or.reduce(detected, axis=1)
    right = np.logical_or.reduce(detected & truth, axis=1)
    return float(right.sum() / spoken.sum()) if spoken.any() else 1.0


def detection_precision(detected: Truth, truth: Truth) -> float:
    """Return the share of all detections, of a label in a recording, that are right; 1 without a detection."""
    return float((detected & truth).sum() / detected.sum()) if detected.any() else 1.0


def reliable_labels(detected: Truth, truth: Truth, groups: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each label whether its own precision is known and high enough, (labels,).

    `detected` and `truth` are of recordings with a species, (recordings, labels), and `groups` of each recording.
    """
    names = np.asarray(groups)
    return np.array(
        [
            len(set(names[own & true])) >= MIN_FOUND_GROUPS
            and float((own & true).sum() / own.sum()) >= MIN_LABEL_PRECISION
            for own, true in zip(detected.T, truth.T, strict=True)
        ]
    )
