"""Computes metrics with intervals, and those of whole recordings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from anura_train.evaluation import metrics
from anura_train.evaluation.bootstrap import Bootstrap, Estimate, estimate, group_bootstrap
from anura_train.evaluation.metrics import Truth, Values, Weights, mean_defined
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import FREQUENCIES, LabelSummary, MetricResult
from anura_train.evaluation.thresholds import CalibratedScores, Thresholds, apply_thresholds


@dataclass(frozen=True, slots=True)
class MetricReporter:
    """Computes metrics of one set of recordings, with intervals."""

    bootstrap: Bootstrap
    labels: tuple[LabelSummary, ...]
    condition: str
    recordings: int
    species: int = 0
    """Of the data set, if species that cannot be trained or tested count as well."""

    def overall(self, name: str, metric: Callable[[Weights], Values]) -> MetricResult:
        """Return a metric with one column."""
        value, draws = self.bootstrap.compute(metric)
        return self._result(name, "all", estimate(value[0], draws[:, 0]))

    def per_label(self, name: str, label_name: str, metric: Callable[[Weights], Values]) -> Iterator[MetricResult]:
        """Yield the mean of a metric over each subset of labels, and the metric of each label under `label_name`."""
        value, draws = self.bootstrap.compute(metric)
        for of, numbers in self._subsets().items():
            subset = estimate(float(mean_defined(value[numbers])), mean_defined(draws[:, numbers]))
            yield self._result(name, of, subset)
        if self.species and name.startswith("macro-F1"):
            # As in published results, F1 is 0 for a species that cannot be trained or is not in the test part.
            share = float(np.count_nonzero(~np.isnan(value))) / self.species
            every = estimate(share * float(mean_defined(value)), share * mean_defined(draws))
            yield self._result(name, "every species", every)
        for number, label in enumerate(self.labels):
            yield self._result(label_name, label.code, estimate(value[number], draws[:, number]))

    def _subsets(self) -> dict[str, list[int]]:
        """Return the numbers of the labels in each subset that has a separate mean."""
        subsets = {"all": list(range(len(self.labels)))}
        several = [number for number, label in enumerate(self.labels) if label.folds != 1]
        if len(several) < len(self.labels):
            subsets["several folds"] = several
        for frequency in FREQUENCIES:
            subsets[frequency] = [number for number, label in enumerate(self.labels) if label.frequency == frequency]
        return {of: numbers for of, numbers in subsets.items() if numbers}

    def _result(self, name: str, of: str, estimated: Estimate) -> MetricResult:
        return MetricResult.of_estimate(name, estimated, self.condition, self.recordings, of)


def recording_metrics(
    predictions: Predictions,
    thresholds: dict[int, Thresholds],
    labels: tuple[LabelSummary, ...],
    condition: str,
    species: int = 0,
) -> Iterator[MetricResult]:
    """Yield the metrics of whole recordings: which species each of them contains."""
    scores, truth = apply_thresholds(predictions, thresholds), predictions.truth
    bootstrap = group_bootstrap(predictions.groups)
    reporter = MetricReporter(bootstrap, labels, condition, len(predictions.recordings), species)
    decisions = {
        "at 0.5": scores.calibrated >= 0.5,
        "uncalibrated, at 0.5": scores.raw >= 0.5,
        "tuned": scores.detected,
    }
    for how, detected in decisions.items():
        f1 = partial(metrics.f1, decisions=detected, truth=truth)
        yield from reporter.per_label(f"macro-F1 {how}", f"F1 {how}", f1)
        yield reporter.overall(f"micro-F1 {how}", partial(metrics.micro_f1, decisions=detected, truth=truth))
    yield from _ranking_metrics(reporter, scores, truth)
    for when, probabilities in (("before", scores.raw), ("after", scores.calibrated)):
        error = partial(metrics.calibration_error, probabilities=probabilities, truth=truth)
        yield from reporter.per_label(f"ECE {when} calibration", f"ECE {when} calibration", error)


def _ranking_metrics(reporter: MetricReporter, scores: CalibratedScores, truth: Truth) -> Iterator[MetricResult]:
    precision = partial(metrics.average_precision, scores=scores.calibrated, truth=truth)
    yield from reporter.per_label("mAP", "average precision", precision)
    yield from reporter.per_label("AUROC", "AUROC", partial(metrics.auroc, scores=scores.calibrated, truth=truth))
    if (truth.sum(1) == 1).all():
        yield reporter.overall("accuracy", partial(metrics.accuracy, scores=scores.calibrated, truth=truth))
