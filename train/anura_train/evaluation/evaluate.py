"""From a trial to all of its figures."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import soundfile

from anura_edge.audio import FloatArray
from anura_train.data import Corpus, Recording
from anura_train.evaluation import measures
from anura_train.evaluation.bootstrap import DRAWS, Estimate, Redraws, estimate, mean_of
from anura_train.evaluation.events import (
    DetectionCounts,
    detections,
    match_detections,
    merge_spans,
    psds,
    segment_scores,
    segment_truth,
)
from anura_train.evaluation.measures import Figures, Weights
from anura_train.evaluation.metrics import Truth, count_events, poisson_rate
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import Evaluation, LabelSummary, MetricResult
from anura_train.evaluation.thresholds import (
    THRESHOLD_GRID,
    CalibratedScores,
    Thresholds,
    apply_thresholds,
    fit_nested_thresholds,
    fit_test_thresholds,
)
from anura_train.recipe import Recipe

Frequency = Literal["frequent", "common", "rare"]
FREQUENCIES: tuple[Frequency, ...] = ("frequent", "common", "rare")

Conditions = Iterable[tuple[str, Predictions]]
"""Names and trials of the same recordings, heard otherwise."""


@dataclass(frozen=True, slots=True)
class MetricReporter:
    """Turns measures of one set of recordings into figures with intervals."""

    redraws: Redraws
    labels: tuple[LabelSummary, ...]
    condition: str
    recordings: int
    species: int = 0
    """Of the data set, where those that cannot be learnt or tested shall count as well."""

    def whole(self, name: str, measure: Callable[[Weights], Figures]) -> MetricResult:
        """Return a measure that has one column."""
        value, draws = self.redraws.measure(measure)
        return self._figure(name, "all", estimate(value[0], draws[:, 0]))

    def macro(self, name: str, each: str, measure: Callable[[Weights], Figures]) -> Iterator[MetricResult]:
        """Yield a measure's mean over all labels and over frequent, common and rare ones, and of each under `each`."""
        value, draws = self.redraws.measure(measure)
        for of, numbers in self._parts().items():
            yield self._figure(name, of, estimate(float(mean_of(value[numbers])), mean_of(draws[:, numbers])))
        if self.species and name.startswith("macro-F1"):
            # A species that nobody could learn, or nobody could find, has an F1 of 0 here, as in published figures.
            share = float(np.count_nonzero(~np.isnan(value))) / self.species
            every = estimate(share * float(mean_of(value)), share * mean_of(draws))
            yield self._figure(name, "every species", every)
        for number, label in enumerate(self.labels):
            yield self._figure(each, label.code, estimate(value[number], draws[:, number]))

    def _parts(self) -> dict[str, list[int]]:
        """Return the labels that have a mean of their own."""
        parts = {"all": list(range(len(self.labels)))}
        several = [number for number, label in enumerate(self.labels) if label.folds != 1]
        if len(several) < len(self.labels):
            parts["several folds"] = several
        for frequency in FREQUENCIES:
            parts[frequency] = [number for number, label in enumerate(self.labels) if label.frequency == frequency]
        return {of: numbers for of, numbers in parts.items() if numbers}

    def _figure(self, name: str, of: str, estimated: Estimate) -> MetricResult:
        return MetricResult(
            measure=name,
            of=of,
            condition=self.condition,
            value=estimated.value,
            low=estimated.low,
            high=estimated.high,
            recordings=self.recordings,
        )


def evaluate(
    recipe: Recipe, corpus: Corpus, trial: Predictions, conditions: Conditions = (), test: Predictions | None = None
) -> Evaluation:
    """Measure a trial, the same models under further conditions, and the final one on what was set aside."""
    labels = summarise_labels(corpus, trial)
    choices = fit_nested_thresholds(trial)
    figures = [
        *recording_metrics(trial, choices, labels, "as recorded"),
        *recording_metrics(_with_species(trial), choices, labels, "recordings with a species"),
        *_site_figures(trial, choices, labels),
        *event_metrics(trial, choices, labels),
        *false_alarm_metrics(trial, choices),
    ]
    for name, heard in conditions:
        figures += recording_metrics(heard, choices, labels, name)
    if test:
        figures += metrics_of_test_part(test, fit_test_thresholds(trial), labels, len(corpus.species))
    backgrounds = [each for each in trial.recordings if not each.codes]
    return Evaluation(
        recipe=recipe.id,
        title=recipe.title,
        seed=recipe.seed,
        folds=recipe.folds,
        recordings=len(trial.recordings),
        with_species=len(trial.recordings) - len(backgrounds),
        groups=len(set(trial.groups)),
        background_hours=_hours(backgrounds, trial),
        species=len(corpus.species),
        test_recordings=len(test.recordings) if test else 0,
        test_with_species=len(_with_species(test).recordings) if test else 0,
        test_labels=int(test.truth.any(0).sum()) if test else 0,
        draws=DRAWS,
        labels=labels,
        figures=tuple(figures),
    )


def summarise_labels(corpus: Corpus, trial: Predictions) -> tuple[LabelSummary, ...]:
    """Return the labels of a trial, and how frequent each is.

    As the data set's authors say of all of them; else the third of the labels with the most recordings is frequent, and
    the third with the fewest rare.
    """
    truth = trial.truth
    recordings = truth.sum(0)
    groups = np.array(trial.groups)
    said = [corpus.taxon(code).frequency for code in trial.labels]
    place = np.argsort(np.argsort(-recordings, kind="stable"))
    thirds = [FREQUENCIES[int(3 * rank // len(place))] for rank in place]
    known = {each: each for each in FREQUENCIES}
    own = [known[each] for each in said if each in known]
    return tuple(
        LabelSummary(
            code=code,
            frequency=(own if len(own) == len(said) else thirds)[number],
            recordings=int(recordings[number]),
            groups=len(np.unique(groups[truth[:, number]])),
            folds=len(np.unique(trial.fold[truth[:, number]])),
        )
        for number, code in enumerate(trial.labels)
    )


def recording_metrics(
    trial: Predictions,
    choices: dict[int, Thresholds],
    labels: tuple[LabelSummary, ...],
    condition: str,
    species: int = 0,
) -> Iterator[MetricResult]:
    """Yield how well the species of whole recordings are told."""
    judged, truth = apply_thresholds(trial, choices), trial.truth
    gauge = MetricReporter(Redraws(trial.groups), labels, condition, len(trial.recordings), species)
    decisions = {"at 0.5": judged.calibrated >= 0.5, "uncalibrated, at 0.5": judged.raw >= 0.5, "tuned": judged.tuned}
    for how, heard in decisions.items():
        yield from gauge.macro(f"macro-F1 {how}", f"F1 {how}", partial(measures.f1, decisions=heard, truth=truth))
        yield gauge.whole(f"micro-F1 {how}", partial(measures.micro_f1, decisions=heard, truth=truth))
    yield from _ranking_figures(gauge, judged, truth)
    for name, probabilities in (("before", judged.raw), ("after", judged.calibrated)):
        error = partial(measures.calibration_error, probabilities=probabilities, truth=truth)
        yield from gauge.macro(f"ECE {name} calibration", f"ECE {name} calibration", error)


def _ranking_figures(gauge: MetricReporter, judged: CalibratedScores, truth: Truth) -> Iterator[MetricResult]:
    yield from gauge.macro(
        "mAP", "average precision", partial(measures.average_precision, scores=judged.calibrated, truth=truth)
    )
    yield from gauge.macro("AUROC", "AUROC", partial(measures.auroc, scores=judged.calibrated, truth=truth))
    if (truth.sum(1) == 1).all():
        yield gauge.whole("accuracy", partial(measures.accuracy, scores=judged.calibrated, truth=truth))


def _site_figures(
    trial: Predictions, choices: dict[int, Thresholds], labels: tuple[LabelSummary, ...]
) -> Iterator[MetricResult]:
    """Yield each site's figures, where there are several; of models that did not hear it, where folds are of sites."""
    for condition, here in _at_sites(trial):
        yield from recording_metrics(here, choices, labels, condition)


def _at_sites(trial: Predictions) -> Iterator[tuple[str, Predictions]]:
    sites = sorted({each.site for each in trial.recordings if each.site})
    for site in sites if len(sites) > 1 else ():
        yield f"site {site}", _only(trial, np.array([each.site == site for each in trial.recordings]))


def metrics_of_test_part(
    test: Predictions, choices: dict[int, Thresholds], labels: tuple[LabelSummary, ...], species: int
) -> Iterator[MetricResult]:
    """Yield the figures of what was set aside, with recordings without a species and without them."""
    labels = tuple(label.model_copy(update={"folds": 0}) for label in labels)  # which folds have it matters no more
    yield from recording_metrics(test, choices, labels, "test", species)
    yield from recording_metrics(_with_species(test), choices, labels, "test, recordings with a species", species)
    for condition, here in _at_sites(test):
        yield from recording_metrics(here, choices, labels, f"test, {condition}")
    yield from event_metrics(test, choices, labels, "test")
    yield from false_alarm_metrics(test, choices, "test, background")


def event_metrics(
    trial: Predictions, choices: dict[int, Thresholds], labels: tuple[LabelSummary, ...], condition: str = "as recorded"
) -> Iterator[MetricResult]:
    """Yield how well calls are found in time; nothing where no call was boxed."""
    boxed = _only(trial, np.array([bool(each.strong) or not each.codes for each in trial.recordings]))
    if not any(each.strong for each in boxed.recordings):
        return
    durations = [soundfile.info(each.path).duration for each in boxed.recordings]
    heard, truth, owner = _segments(boxed, choices, durations)
    gauge = MetricReporter(Redraws(boxed.groups), labels, condition, len(boxed.recordings))
    by_segment = MetricReporter(
        Redraws([boxed.groups[each] for each in owner]), labels, condition, len(boxed.recordings)
    )
    for how, decisions in heard.items():
        yield from by_segment.macro(
            f"1-s segment macro-F1 {how}",
            f"1-s segment F1 {how}",
            partial(measures.f1, decisions=decisions, truth=truth),
        )
    counts = [_count(boxed, choices, number, durations) for number in range(len(labels))]
    yield from gauge.macro("PSDS", "PSDS", partial(psds, counts=counts))


def false_alarm_metrics(
    trial: Predictions, choices: dict[int, Thresholds], condition: str = "background"
) -> Iterator[MetricResult]:
    """Yield events an hour of background, where each is false, with exact Poisson intervals; nothing without any."""
    silent = _only(trial, np.array([not each.codes for each in trial.recordings]))
    if not silent.recordings:
        return
    hours = _hours(silent.recordings, trial)
    events = {"at 0.5": 0, "tuned": 0}
    for recording, fold in zip(silent.recordings, silent.fold.tolist(), strict=True):
        rows = choices[fold].probabilities(trial.rows[recording.name])
        for row, tuned in zip(rows.T, choices[fold].thresholds, strict=True):
            events["at 0.5"] += count_events(row, 0.5, trial.step_s, trial.span_s)
            events["tuned"] += count_events(row, tuned, trial.step_s, trial.span_s)
    for how, count in events.items():
        rate = poisson_rate(count, hours)
        yield MetricResult(
            measure=f"false alarms an hour {how}",
            condition=condition,
            value=rate.value,
            low=rate.low,
            high=rate.high,
            recordings=len(silent.recordings),
        )


def _segments(
    trial: Predictions, choices: dict[int, Thresholds], durations: Sequence[float]
) -> tuple[dict[str, Truth], Truth, list[int]]:
    """Return decisions by how they were made, truth (segments, labels), and the number of each one's recording."""
    scores, tuned, truths, owner = [], [], [], list[int]()
    for number, recording in enumerate(trial.recordings):
        choice = choices[int(trial.fold[number])]
        rows = choice.probabilities(trial.rows[recording.name])
        segments = segment_scores(rows, trial.step_s, trial.span_s, durations[number])
        calls = _calls(recording)
        scores.append(segments)
        tuned.append(segments >= np.array(choice.thresholds))
        truths.append(
            np.stack([segment_truth(merge_spans(calls[code]), durations[number]) for code in trial.labels], 1)
        )
        owner += [number] * len(segments)
    heard = {"at 0.5": np.concatenate(scores) >= 0.5, "tuned": np.concatenate(tuned)}
    return heard, np.concatenate(truths), owner


def _count(
    trial: Predictions, choices: dict[int, Thresholds], label: int, durations: Sequence[float]
) -> DetectionCounts:
    shape = (len(trial.recordings), len(THRESHOLD_GRID))
    found, false, calls = np.zeros(shape), np.zeros(shape), np.zeros(len(trial.recordings))
    for number, recording in enumerate(trial.recordings):
        there = merge_spans(_calls(recording)[trial.labels[label]])
        calls[number] = len(there)
        row: FloatArray = choices[int(trial.fold[number])].probabilities(trial.rows[recording.name])[:, label]
        for place, threshold in enumerate(THRESHOLD_GRID):
            heard = detections(row, threshold, trial.step_s, trial.span_s, durations[number])
            found[number, place], false[number, place] = match_detections(heard, there)
    return DetectionCounts(found, false, calls, np.array(durations) / 3600)


def _calls(recording: Recording) -> dict[str, list[tuple[float, float]]]:
    calls = defaultdict[str, list[tuple[float, float]]](list)
    for label in recording.strong:
        calls[label.code].append((label.onset_s, label.offset_s))
    return calls


def _with_species(trial: Predictions) -> Predictions:
    return _only(trial, np.array([bool(each.codes) for each in trial.recordings]))


def _only(trial: Predictions, wanted: Truth) -> Predictions:
    """Return the trial of some of its recordings, (recordings,)."""
    recordings = tuple(each for each, keep in zip(trial.recordings, wanted, strict=True) if keep)
    return replace(trial, recordings=recordings, fold=trial.fold[wanted])


def _hours(recordings: Sequence[Recording], trial: Predictions) -> float:
    return sum(len(trial.rows[each.name]) for each in recordings) * trial.step_s / 3600
