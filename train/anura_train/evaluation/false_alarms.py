"""False alarms: events on recordings without a species, per hour, with exact Poisson intervals."""

from collections.abc import Iterator

import numpy as np
from scipy.stats import chi2

from anura_edge.audio import FloatArray
from anura_train.evaluation.bootstrap import Estimate
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import MetricResult
from anura_train.evaluation.thresholds import Thresholds

MERGE_GAP_S = 1.0
"""Detections closer than this are one event, as in AnuraSet (Cañas et al. 2023)."""


def count_events(scores: FloatArray, threshold: float, hop_s: float, window_s: float) -> int:
    """Count the events of one label: runs of frames (frames,) at or above a threshold, merged over short gaps."""
    detected = np.flatnonzero(scores >= threshold)
    if len(detected) == 0:
        return 0
    gaps_s = np.diff(detected) * hop_s - window_s
    return 1 + int((gaps_s >= MERGE_GAP_S).sum())


def poisson_rate(events: int, hours: float) -> Estimate:
    """Return events per hour with their exact interval (Garwood 1936): no event in an hour does not mean none ever."""
    low = chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    return Estimate(events / hours, float(low / hours), float(chi2.ppf(0.975, 2 * events + 2) / 2 / hours))


def false_alarm_metrics(
    predictions: Predictions, thresholds: dict[int, Thresholds], condition: str = "background"
) -> Iterator[MetricResult]:
    """Yield the false alarms per hour of background; nothing where there is no background."""
    backgrounds = predictions.backgrounds()
    if not backgrounds.recordings:
        return
    events = {"at 0.5": 0, "tuned": 0}
    for recording, fold in zip(backgrounds.recordings, backgrounds.fold.tolist(), strict=True):
        probabilities = thresholds[fold].probabilities(predictions.frame_logits[recording.name])  # (frames, labels)
        for scores, tuned in zip(probabilities.T, thresholds[fold].values, strict=True):
            events["at 0.5"] += count_events(scores, 0.5, predictions.hop_s, predictions.window_s)
            events["tuned"] += count_events(scores, tuned, predictions.hop_s, predictions.window_s)
    for decision, count in events.items():
        rate = poisson_rate(count, backgrounds.hours)
        name = f"false alarms an hour {decision}"
        yield MetricResult.of_estimate(name, rate, condition, len(backgrounds.recordings))
