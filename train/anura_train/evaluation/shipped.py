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
from anura_train.evaluation.false_alarms import poisson_rate
from anura_train.evaluation.metrics import Truth, Values, Weights, average_precision, f1, mean_defined
from anura_train.evaluation.predictions import Predictions, read_predictions
from anura_train.evaluation.shipped_thresholds import (
    SHIPPED_GRID,
    FalseAlarms,
    count_false_alarms,
    nested_count,
    shipped_thresholds,
)
from anura_train.evaluation.thresholds import (
    Thresholds,
    apply_thresholds,
    fit_nested_thresholds,
    fit_platt,
    fit_shared_thresholds,
)


class SpeciesFigures(Section):
    """Metrics of one species, out of fold, at its shipped threshold."""

    code: str
    threshold: float
    average_precision: float
    found: int
    """Recordings of the species with an event of it."""
    wrong: int
    """Recordings of other species with an event of it."""


class ShippedReport(Section):
    """Everything that a bundle takes from the evaluation."""

    slope: float
    offset: float
    """Calibration: probability = sigmoid(slope * logit + offset)."""
    species: tuple[SpeciesFigures, ...]
    metrics: tuple[Metric, ...]


def write_shipped_report(out: Path, corpus: Corpus) -> ShippedReport:
    """Read the scores that `fit` left in OUT, write OUT/report.json and return it."""
    recipe = load_checkpoint(out).provenance.recipe
    predictions = read_predictions(out, recipe, corpus)
    frogs, backgrounds = predictions.with_species(), predictions.backgrounds()
    held_out = replace(predictions, recordings=corpus.held_out, frame_logits=load_logits(out / HELD_OUT_LOGITS))
    platt = fit_platt(frogs.logits, frogs.truth)
    by_fold = [count_false_alarms(backgrounds.select(backgrounds.fold == fold), platt) for fold in range(recipe.folds)]
    unseen = count_false_alarms(held_out, platt)
    thresholds = np.array(shipped_thresholds(by_fold))
    calibrated = platt(frogs.logits)
    report = ShippedReport(
        slope=platt.slope,
        offset=platt.offset,
        species=tuple(_species_figures(frogs, calibrated, thresholds)),
        metrics=(
            *_recording_metrics(frogs, calibrated, thresholds),
            *_false_alarm_metrics(corpus, by_fold, unseen, thresholds),
        ),
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


def _recording_metrics(frogs: Predictions, calibrated: FloatArray, thresholds: FloatArray) -> Iterator[Metric]:
    folds = len(np.unique(frogs.fold))
    protocol = (
        f"{len(frogs.recordings)} recordings, {folds}-fold, groups disjoint, nothing selected on the tested fold; "
        "a recording's score is its highest frame; interval: bootstrap over recordings within species, 1,000 draws"
    )
    nested = apply_thresholds(frogs, fit_nested_thresholds(frogs, _fit_shared))
    macro = partial(macro_f1, truth=frogs.truth)
    metrics: list[tuple[str, Callable[[Weights], Values], str]] = [
        (
            "mean average precision",
            partial(mean_average_precision, scores=nested.calibrated, truth=frogs.truth),
            "",
        ),
        (
            "macro-F1 at 0.5",
            partial(macro, decisions=nested.calibrated >= 0.5),
            "; calibration from the other folds",
        ),
        (
            "macro-F1 at the shared threshold",
            partial(macro, decisions=nested.detected),
            "; calibration and threshold from the other folds",
        ),
        (
            "macro-F1 at the shipped thresholds",
            partial(macro, decisions=calibrated >= thresholds),
            "; thresholds chosen on these same scores, so optimistic",
        ),
    ]
    bootstrap = species_bootstrap([each.codes for each in frogs.recordings])
    for name, metric, remark in metrics:
        value, draws = bootstrap.compute(metric)
        found = estimate(value[0], draws[:, 0])
        yield Metric(name=name, value=found.value, low=found.low, high=found.high, protocol=protocol + remark)


def _fit_shared(logits: FloatArray, truth: Truth, _: Sequence[str]) -> Thresholds:
    return fit_shared_thresholds(logits, truth, SHIPPED_GRID)


def _species_figures(frogs: Predictions, calibrated: FloatArray, thresholds: FloatArray) -> Iterator[SpeciesFigures]:
    detected, truth = calibrated >= thresholds, frogs.truth
    precisions = average_precision(np.ones((1, len(truth))), calibrated, truth)[0]
    for label, code in enumerate(frogs.labels):
        yield SpeciesFigures(
            code=code,
            threshold=float(thresholds[label]),
            average_precision=float(precisions[label]),
            found=int((detected & truth)[:, label].sum()),
            wrong=int((detected & ~truth)[:, label].sum()),
        )


def _false_alarm_metrics(
    corpus: Corpus, by_fold: Sequence[FalseAlarms], unseen: FalseAlarms, thresholds: FloatArray
) -> Iterator[Metric]:
    described = [
        (
            "seen",
            nested_count(by_fold),
            sum(each.hours for each in by_fold),
            f"{len(corpus.backgrounds)} recordings: parks, insects, ESC-10; out of fold, thresholds from other folds",
        ),
        (
            "unseen",
            unseen.count(thresholds),
            unseen.hours,
            f"{len(corpus.held_out)} recordings of places never learnt from: rain, quiet, birds at dawn; "
            "at the shipped thresholds",
        ),
    ]
    for kind, count, hours, protocol in described:
        if hours:
            rate = poisson_rate(count, hours)
            yield Metric(
                name=f"false alarms an hour, background {kind}",
                value=rate.value,
                low=rate.low,
                high=rate.high,
                unit="events/h",
                protocol=f"{protocol}; {count} events of all labels in {hours:.2f} h; interval: Poisson",
            )
