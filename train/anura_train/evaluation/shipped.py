"""What a model is worth, from scores of recordings that it did not learn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from anura_edge.audio import FloatArray
from anura_edge.errors import ModelError
from anura_edge.inference.manifest import Metric
from anura_train.checkpoints.final import HELD_OUT_LOGITS, REPORT, FrameLogits, load_checkpoint, load_logits
from anura_train.data import Corpus, Recording
from anura_train.data.folds import cross_validation_folds
from anura_train.evaluation.calibration import GRID, Platt, best_threshold, fit_platt, shipped_thresholds
from anura_train.evaluation.metrics import (
    Truth,
    average_precisions,
    bootstrap,
    count_events,
    macro_f1,
    mean_average_precision,
    poisson_rate,
)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpeciesFigures(_Frozen):
    """How well one species is heard, out of fold, at its shipped threshold."""

    code: str
    threshold: float
    average_precision: float
    found: int
    """Recordings of it in which an event of it begins."""
    wrong: int
    """Recordings of other species in which an event of it begins."""


class ShippedReport(_Frozen):
    """Everything that evaluation decides and measures."""

    slope: float
    offset: float
    """Calibration: probability = sigmoid(slope * logit + offset)."""
    species: tuple[SpeciesFigures, ...]
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """Out-of-fold scores of every frog recording. A recording's score for a label is its highest row.

    That is the threshold at which the device would begin an event in it, so these figures are about events.
    """

    logits: FloatArray
    """Shape (recordings, labels)."""
    truth: Truth
    """Shape (recordings, labels)."""
    fold: NDArray[np.int64]
    """Shape (recordings,)."""
    species: tuple[str, ...]
    """The codes of each recording, as one text."""


@dataclass(frozen=True, slots=True, eq=False)
class Alarms:
    """Events on background, where any event is false."""

    events: NDArray[np.float64]
    """Shape (labels, len(GRID)): how many at each threshold of the grid."""
    hours: float

    @property
    def per_hour(self) -> FloatArray:
        """Events an hour, of the same shape."""
        # Where there is no background, none sounds like a frog.
        return np.asarray(self.events / (self.hours or 1.0), np.float32)

    def __add__(self, other: "Alarms") -> "Alarms":
        """Return both together."""
        return Alarms(self.events + other.events, self.hours + other.hours)

    def count(self, thresholds: FloatArray) -> int:
        """Return the events of all labels at a threshold (labels,) of the grid for each."""
        chosen = np.abs(GRID[None, :] - thresholds[:, None]).argmin(1)
        return int(self.events[np.arange(len(chosen)), chosen].sum())


def write_shipped_report(out: Path, corpus: Corpus) -> ShippedReport:
    """Read what `fit` left in OUT, write OUT/report.json and return it."""
    checkpoint = load_checkpoint(out)
    recipe, model = checkpoint.provenance.recipe, checkpoint.model
    rows: dict[str, FloatArray] = {}
    for fold in range(recipe.folds):
        rows |= load_logits(out / f"fold-{fold}.npz")
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    tested = collect(corpus.frogs, corpus.labels(), rows, [folds[clip.name] for clip in corpus.frogs])
    step_s, span_s = model.hop_samples / model.rate_hz, model.window_samples / model.rate_hz

    platt = fit_platt(tested.logits, tested.truth)
    calibrated = platt(tested.logits)
    labels = corpus.labels()
    alarms = partial(_false_alarms, labels=len(labels), platt=platt, step_s=step_s, span_s=span_s)
    seen = [
        alarms([clip for clip in corpus.backgrounds if folds[clip.name] == fold], rows=rows)
        for fold in range(recipe.folds)
    ]
    unseen = alarms(corpus.held_out, rows=load_logits(out / HELD_OUT_LOGITS))
    thresholds = np.array(shipped_thresholds(reduce(Alarms.__add__, seen).per_hour))
    report = ShippedReport(
        slope=platt.slope,
        offset=platt.offset,
        species=_species_figures(labels, calibrated, tested.truth, thresholds),
        metrics=(*_recording_metrics(tested, thresholds), *_alarm_metrics(corpus, seen, unseen, thresholds)),
    )
    (out / REPORT).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return report


def load_shipped_report(out: Path) -> ShippedReport:
    """Read OUT/report.json; ModelError when the model was not evaluated."""
    try:
        return ShippedReport.model_validate_json((out / REPORT).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"no report in {out}: {error}; run `anura-train evaluate` first") from error


def collect(frogs: Sequence[Recording], labels: Sequence[str], rows: FrameLogits, folds: Sequence[int]) -> Tested:
    """Reduce rows of logits to one score for each recording and label."""
    return Tested(
        logits=np.stack([rows[clip.name].max(0) for clip in frogs]),
        truth=np.array([[label in clip.codes for label in labels] for clip in frogs]),
        fold=np.array(folds),
        species=tuple(" ".join(clip.codes) for clip in frogs),
    )


def nested(tested: Tested) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return probabilities and decisions, (recordings, labels), each fold's by what the others chose."""
    probabilities = np.zeros_like(tested.logits)
    decisions = np.zeros_like(tested.truth)
    for fold in np.unique(tested.fold):
        here = tested.fold == fold
        platt = fit_platt(tested.logits[~here], tested.truth[~here])
        threshold = best_threshold(platt(tested.logits[~here]), tested.truth[~here])
        probabilities[here] = platt(tested.logits[here])
        decisions[here] = probabilities[here] >= threshold
    return probabilities, decisions


def _recording_metrics(tested: Tested, thresholds: FloatArray) -> list[Metric]:
    folds = len(np.unique(tested.fold))
    protocol = (
        f"{len(tested.truth)} recordings, {folds}-fold, groups disjoint, nothing selected on the tested fold; "
        "a recording's score is its highest row; interval: bootstrap over recordings within species, 1,000 draws"
    )
    probabilities, decisions = nested(tested)
    calibrated = fit_platt(tested.logits, tested.truth)(tested.logits)
    figures = [
        ("mean average precision", mean_average_precision, probabilities, ""),
        (
            "macro-F1 at 0.5",
            lambda p, truth: macro_f1(p >= 0.5, truth),
            probabilities,
            "; calibration from the other folds",
        ),
        (
            "macro-F1 at the shared threshold",
            lambda d, truth: macro_f1(d > 0, truth),
            np.asarray(decisions, np.float32),
            "; calibration and threshold from the other folds",
        ),
        (
            "macro-F1 at the shipped thresholds",
            lambda p, truth: macro_f1(p >= thresholds, truth),
            calibrated,
            "; thresholds chosen on these same scores, so optimistic",
        ),
    ]
    metrics = []
    for name, statistic, scores, remark in figures:
        interval = bootstrap(statistic, scores, tested.truth, tested.species)
        metrics.append(
            Metric(name=name, value=interval.value, low=interval.low, high=interval.high, protocol=protocol + remark)
        )
    return metrics


def _species_figures(
    labels: Sequence[str], probabilities: FloatArray, truth: Truth, thresholds: FloatArray
) -> tuple[SpeciesFigures, ...]:
    heard = probabilities >= thresholds
    precisions = average_precisions(probabilities, truth)
    return tuple(
        SpeciesFigures(
            code=label,
            threshold=float(thresholds[index]),
            average_precision=float(precisions[index]),
            found=int((heard & truth)[:, index].sum()),
            wrong=int((heard & ~truth)[:, index].sum()),
        )
        for index, label in enumerate(labels)
    )


def _false_alarms(
    clips: Sequence[Recording], labels: int, rows: FrameLogits, platt: Platt, step_s: float, span_s: float
) -> Alarms:
    events = np.zeros((labels, len(GRID)))
    for clip in clips:
        probabilities = platt(rows[clip.name])  # (rows, labels)
        events += [
            [count_events(column, threshold, step_s, span_s) for threshold in GRID] for column in probabilities.T
        ]
    return Alarms(events, hours=sum(len(rows[clip.name]) for clip in clips) * step_s / 3600)


def _alarm_metrics(corpus: Corpus, seen: Sequence[Alarms], unseen: Alarms, thresholds: FloatArray) -> list[Metric]:
    described = [
        (
            "seen",
            nested_count(seen),
            sum(each.hours for each in seen),
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
    metrics = []
    for kind, count, hours, protocol in described:
        if not hours:
            continue
        rate = poisson_rate(count, hours)
        metrics.append(
            Metric(
                name=f"false alarms an hour, background {kind}",
                value=rate.value,
                low=rate.low,
                high=rate.high,
                unit="events/h",
                protocol=f"{protocol}; {count} events of all labels in {hours:.2f} h; interval: Poisson",
            )
        )
    return metrics


def nested_count(folds: Sequence[Alarms]) -> int:
    """Return how many events there are when each fold's thresholds are chosen on the others."""
    count = 0
    for number, tested in enumerate(folds):
        others = (*folds[:number], *folds[number + 1 :])
        count += tested.count(np.array(shipped_thresholds(reduce(Alarms.__add__, others).per_hour)))
    return count
