"""What the presets give on recordings that they were not chosen on: each fold uses the thresholds of the others."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_edge.inference.manifest import Metric
from anura_train.evaluation.bootstrap import estimate, group_bootstrap
from anura_train.evaluation.false_alarms import count_events, poisson_rate
from anura_train.evaluation.metrics import Truth, Values, Weights
from anura_train.evaluation.operating_points import FalseAlarms, OperatingPoint, choose_thresholds, count_false_alarms
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.thresholds import Platt, fit_platt

IDENTITY = Platt(1.0, 0.0)
"""Of a network that calibrates its own logits."""

ANY_KIND = "all kinds"


@dataclass(frozen=True, slots=True, eq=False)
class FoldScores:
    """Out-of-fold scores of all recordings with their calibration, and the false alarms of each fold."""

    predictions: Predictions
    platt: Platt
    false_alarms: tuple[FalseAlarms, ...]
    """Of the backgrounds of each fold."""
    fixed_threshold: float | None
    """Threshold of every label in every preset, if the recipe sets one."""

    @property
    def frogs(self) -> Predictions:
        """Recordings with a species."""
        return self.predictions.with_species()

    def thresholds(self, point: OperatingPoint, without_fold: int | None = None) -> FloatArray:
        """Return the threshold of each label, (labels,), chosen on all folds or on all but one."""
        if self.fixed_threshold is not None:
            return np.full(len(self.predictions.labels), self.fixed_threshold, np.float32)
        frogs = self.frogs
        chosen_on = frogs.select(frogs.fold != without_fold) if without_fold is not None else frogs
        alarms = [each for fold, each in enumerate(self.false_alarms) if fold != without_fold]
        return choose_thresholds(point, self.platt(chosen_on.logits), chosen_on.truth, alarms)

    def nested_thresholds(self, point: OperatingPoint) -> dict[int, FloatArray]:
        """Return for each fold the thresholds that are chosen on the other folds."""
        return {fold: self.thresholds(point, fold) for fold in range(len(self.false_alarms))}

    def detected(self, by_fold: dict[int, FloatArray]) -> Truth:
        """Return the decisions for recordings with a species, (recordings, labels), at the thresholds of their fold."""
        frogs = self.frogs
        thresholds = np.stack([by_fold[fold] for fold in frogs.fold.tolist()])
        return np.asarray(self.platt(frogs.logits) >= thresholds)


def read_fold_scores(
    predictions: Predictions, folds: int, *, is_calibrated: bool, fixed_threshold: float | None = None
) -> FoldScores:
    """Fit the calibration, unless the network has its own, and count the false alarms of each fold."""
    frogs, backgrounds = predictions.with_species(), predictions.backgrounds()
    platt = IDENTITY if is_calibrated else fit_platt(frogs.logits, frogs.truth)
    alarms = tuple(count_false_alarms(backgrounds.select(backgrounds.fold == fold), platt) for fold in range(folds))
    return FoldScores(predictions, platt, alarms, fixed_threshold)


def outcome_metrics(scores: FoldScores, preset: str, point: OperatingPoint) -> Iterator[Metric]:
    """Yield the shares of recordings that are found, wrong and silent, with bootstrap intervals over groups."""
    detected, truth = scores.detected(scores.nested_thresholds(point)), scores.frogs.truth
    found = np.logical_or.reduce(detected & truth, axis=1)
    any_label = np.logical_or.reduce(detected, axis=1)
    outcomes = {"found": found, "wrong": any_label & ~found, "silent": ~any_label}
    bootstrap = group_bootstrap(scores.frogs.groups)
    for name, shown in outcomes.items():
        value, draws = bootstrap.compute(lambda weights, shown=shown: _share(weights, shown))  # type: ignore[misc]
        found_share = estimate(value[0], draws[:, 0])
        yield Metric(
            name=f"recordings {name}, preset {preset}",
            value=100 * found_share.value,
            low=100 * found_share.low,
            high=100 * found_share.high,
            unit="%",
            protocol=f"{int(shown.sum())} of {len(found)} recordings, out of fold, thresholds from the other folds; "
            "found: the right label has an event, wrong: only others have, silent: none; interval: bootstrap over "
            "groups",
        )


def false_alarm_metrics_by_kind(scores: FoldScores, preset: str, point: OperatingPoint) -> Iterator[Metric]:
    """Yield the false alarms an hour of all backgrounds, and of each kind, at the thresholds from the other folds."""
    backgrounds, by_fold = scores.predictions.backgrounds(), scores.nested_thresholds(point)
    counts: dict[str, tuple[int, float]] = {}
    for recording, fold in zip(backgrounds.recordings, backgrounds.fold.tolist(), strict=True):
        probabilities = scores.platt(backgrounds.frame_logits[recording.name])
        events = _events(probabilities, by_fold[fold], backgrounds)
        for kind in (ANY_KIND, recording.kind or "not named"):
            before, hours = counts.get(kind, (0, 0.0))
            counts[kind] = before + events, hours + backgrounds.duration_s(recording) / 3600
    for kind, (count, hours) in sorted(counts.items(), key=lambda each: (each[0] != ANY_KIND, each[0])):
        yield false_alarm_metric(f"false alarms, {kind}, preset {preset}", count, hours, "out of fold")


def false_alarm_metric(name: str, count: int, hours: float, protocol: str) -> Metric:
    """Return a rate of events of all labels on background, with its Poisson interval."""
    rate = poisson_rate(count, hours)
    return Metric(
        name=name,
        value=rate.value,
        low=rate.low,
        high=rate.high,
        unit="an hour",
        protocol=f"{protocol}; {count} events in {hours:.2f} h; interval: Poisson",
    )


def count_at(predictions: Predictions, platt: Platt, thresholds: FloatArray) -> int:
    """Return the number of events of all labels in recordings at one threshold for each label, (labels,)."""
    frames = (platt(predictions.frame_logits[each.name]) for each in predictions.recordings)
    return sum(_events(probabilities, thresholds, predictions) for probabilities in frames)


def _events(probabilities: FloatArray, thresholds: FloatArray, predictions: Predictions) -> int:
    pairs = zip(probabilities.T, thresholds.tolist(), strict=True)
    return sum(count_events(scores, each, predictions.hop_s, predictions.window_s) for scores, each in pairs)


def _share(weights: Weights, shown: NDArray[np.bool_]) -> Values:
    return np.asarray(weights @ shown[:, None] / weights.sum(1, keepdims=True))
