"""The shipped report: calibration, thresholds and metrics of the model that goes into a bundle."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from anura_edge.audio import FloatArray
from anura_edge.config.yaml_loader import Section
from anura_edge.errors import ModelError
from anura_edge.inference.manifest import Metric
from anura_train.checkpoints.final import HELD_OUT_LOGITS, REPORT, load_checkpoint, load_logits
from anura_train.data import Corpus
from anura_train.evaluation.bootstrap import Bootstrap, estimate, stratified_bootstrap
from anura_train.evaluation.metrics import (
    Truth,
    Values,
    Weights,
    accuracy,
    average_precision,
    calibration_error,
    f1,
    mean_defined,
)
from anura_train.evaluation.nested_presets import (
    ANY_KIND,
    IDENTITY,
    FoldScores,
    count_at,
    false_alarm_metric,
    false_alarm_metrics_by_kind,
    outcome_metrics,
    read_fold_scores,
)
from anura_train.evaluation.operating_points import DEFAULT, SENSITIVE, STRICT, reliable_labels
from anura_train.evaluation.predictions import read_predictions
from anura_train.evaluation.thresholds import (
    Thresholds,
    apply_thresholds,
    fit_nested_thresholds,
    fit_shared_thresholds,
)


class SpeciesFigures(Section):
    """Metrics of one species, out of fold."""

    code: str
    threshold: float
    """Threshold of the preset `default`."""
    sensitive: float
    strict: float
    is_reliable: bool
    """Whether its own precision out of fold is known and high enough (`operating_points.reliable_labels`)."""
    average_precision: float
    found: int
    """Recordings of the species with an event of it, at thresholds from the other folds."""
    wrong: int
    """Recordings of other species with an event of it."""


class ShippedReport(Section):
    """Everything that a bundle takes from the evaluation."""

    slope: float
    offset: float
    """Calibration: probability = sigmoid(slope * logit + offset)."""
    species: tuple[SpeciesFigures, ...]
    metrics: tuple[Metric, ...]
    baseline: str = ""
    """Title of a model on the same folds that the model card compares with; empty if there is none."""
    baseline_metrics: tuple[Metric, ...] = ()


def write_shipped_report(out: Path, corpus: Corpus, baseline: Path | None = None) -> ShippedReport:
    """Read the scores that `fit` left in OUT, write OUT/report.json and return it.

    `baseline` is the folder of another training that was evaluated on the same data. Raises ModelError without it.
    """
    recipe = load_checkpoint(out).provenance.recipe
    scores = read_fold_scores(
        read_predictions(out, recipe, corpus),
        recipe.folds,
        is_calibrated=recipe.is_calibrated,
        fixed_threshold=recipe.fixed_threshold,
    )
    report = ShippedReport(
        slope=scores.platt.slope,
        offset=scores.platt.offset,
        species=tuple(_species_figures(scores)),
        metrics=(*_recording_metrics(scores), *_preset_metrics(scores), *_unseen_metrics(out, corpus, scores)),
        baseline=load_checkpoint(baseline).provenance.recipe.title if baseline else "",
        baseline_metrics=load_shipped_report(baseline).metrics if baseline else (),
    )
    (out / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def load_shipped_report(out: Path) -> ShippedReport:
    """Read OUT/report.json; ModelError when the model was not evaluated."""
    try:
        return ShippedReport.model_validate_json((out / REPORT).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"no report in {out}: {error}; run `anura-train evaluate` first") from error


def species_bootstrap(codes: Sequence[Sequence[str]]) -> Bootstrap:
    """Draw recordings within species, given the codes of each recording."""
    return stratified_bootstrap([" ".join(each) for each in codes])


def macro_f1(weights: Weights, decisions: Truth, truth: Truth) -> Values:
    """Return the mean F1 of all labels, (draws, 1)."""
    return mean_defined(f1(weights, decisions, truth))[:, None]


def mean_average_precision(weights: Weights, scores: FloatArray, truth: Truth) -> Values:
    """Return the mean average precision of all labels, (draws, 1).

    The copies of a recording in a draw have ranks of their own, as in the bundles published before. In
    `metrics.average_precision` they share one.
    """
    return np.stack([_mean_average_precision(draw.astype(np.int64), scores, truth) for draw in weights])


def _mean_average_precision(copies: NDArray[np.int64], scores: FloatArray, truth: Truth) -> Values:
    drawn = np.repeat(np.arange(len(copies)), copies)
    ranks = np.argsort(np.argsort(-scores[drawn], axis=0, kind="stable"), axis=0)
    return mean_defined(average_precision(np.ones((1, len(drawn))), -ranks.astype(np.float32), truth[drawn]))


def _recording_metrics(scores: FoldScores) -> Iterator[Metric]:
    frogs = scores.frogs
    folds = len(np.unique(frogs.fold))
    protocol = (
        f"{len(frogs.recordings)} recordings, {folds}-fold, groups disjoint, nothing selected on the tested fold; "
        "a recording's score is its highest frame; interval: bootstrap over recordings within species, 1,000 draws"
    )
    calibrated = _nested_calibration(scores)
    detected = scores.detected(scores.nested_thresholds(DEFAULT))
    best = calibrated == calibrated.max(1, keepdims=True)
    macro = partial(macro_f1, truth=frogs.truth)
    metrics: list[tuple[str, Callable[[Weights], Values], str]] = [
        ("mean average precision", partial(mean_average_precision, scores=calibrated, truth=frogs.truth), ""),
        ("macro-F1 of the best label", partial(macro, decisions=best), "; each recording gets its best label"),
        ("macro-F1 at the thresholds", partial(macro, decisions=detected), "; thresholds from the other folds"),
        ("calibration error", partial(_mean_ece, probabilities=calibrated, truth=frogs.truth), "; mean of the labels"),
    ]
    if (frogs.truth.sum(1) == 1).all():
        accurate = partial(accuracy, scores=calibrated, truth=frogs.truth)
        metrics.append(("accuracy of the best label", accurate, "; each recording has one label"))
    bootstrap = species_bootstrap([each.codes for each in frogs.recordings])
    for name, metric, remark in metrics:
        value, draws = bootstrap.compute(metric)
        found = estimate(value[0], draws[:, 0])
        yield Metric(name=name, value=found.value, low=found.low, high=found.high, protocol=protocol + remark)


def _nested_calibration(scores: FoldScores) -> FloatArray:
    """Return probabilities (recordings, labels) of the recordings with a species, calibrated on the other folds."""
    frogs = scores.frogs
    if scores.platt == IDENTITY:
        return scores.platt(frogs.logits)
    return apply_thresholds(frogs, fit_nested_thresholds(frogs, _fit_shared)).calibrated


def _fit_shared(logits: FloatArray, truth: Truth, _: Sequence[str]) -> Thresholds:
    return fit_shared_thresholds(logits, truth)


def _mean_ece(weights: Weights, probabilities: FloatArray, truth: Truth) -> Values:
    return mean_defined(calibration_error(weights, probabilities, truth))[:, None]


def _species_figures(scores: FoldScores) -> Iterator[SpeciesFigures]:
    frogs = scores.frogs
    truth = frogs.truth
    detected = scores.detected(scores.nested_thresholds(DEFAULT))
    thresholds = [scores.thresholds(point) for point in (SENSITIVE, DEFAULT, STRICT)]
    ascending = np.maximum.accumulate(thresholds)
    reliable = reliable_labels(detected, truth, frogs.groups)
    precisions = average_precision(np.ones((1, len(truth))), scores.platt(frogs.logits), truth)[0]
    for label, code in enumerate(frogs.labels):
        sensitive, default, strict = (round(float(each), 2) for each in ascending[:, label])
        yield SpeciesFigures(
            code=code,
            threshold=default,
            sensitive=sensitive,
            strict=strict,
            is_reliable=bool(reliable[label]),
            average_precision=float(precisions[label]),
            found=int((detected & truth)[:, label].sum()),
            wrong=int((detected & ~truth)[:, label].sum()),
        )


def _preset_metrics(scores: FoldScores) -> Iterator[Metric]:
    for preset, point in (("default", DEFAULT), ("sensitive", SENSITIVE), ("strict", STRICT)):
        yield from outcome_metrics(scores, preset, point)
        alarms = false_alarm_metrics_by_kind(scores, preset, point)
        yield from (each for each in alarms if preset == "default" or ANY_KIND in each.name)


def _unseen_metrics(out: Path, corpus: Corpus, scores: FoldScores) -> Iterator[Metric]:
    """Yield the false alarms of the final model on the backgrounds that nothing was learnt from."""
    if not corpus.held_out:
        return
    unseen = replace(scores.predictions, recordings=corpus.held_out, frame_logits=load_logits(out / HELD_OUT_LOGITS))
    count = count_at(unseen, scores.platt, scores.thresholds(DEFAULT))
    protocol = f"{len(corpus.held_out)} recordings of places never learnt from, at the shipped thresholds"
    yield false_alarm_metric("false alarms, unseen places, preset default", count, unseen.hours, protocol)
