"""Metrics of calls in time: F1 of 1-s segments, and PSDS."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import soundfile

from anura_edge.audio import FloatArray
from anura_train.data import Recording
from anura_train.evaluation import metrics
from anura_train.evaluation.bootstrap import group_bootstrap
from anura_train.evaluation.events import (
    DetectionCounts,
    find_detections,
    match_detections,
    merge_spans,
    psds,
    segment_scores,
    segment_truth,
)
from anura_train.evaluation.metrics import Truth
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.reporter import MetricReporter
from anura_train.evaluation.results import LabelSummary, MetricResult
from anura_train.evaluation.thresholds import THRESHOLD_GRID, Thresholds


def event_metrics(
    predictions: Predictions,
    thresholds: dict[int, Thresholds],
    labels: tuple[LabelSummary, ...],
    condition: str = "as recorded",
) -> Iterator[MetricResult]:
    """Yield how well calls are found in time; nothing for data without strong labels."""
    boxed = predictions.select([bool(each.strong) or not each.codes for each in predictions.recordings])
    if not any(each.strong for each in boxed.recordings):
        return
    recordings = len(boxed.recordings)
    durations_s = [soundfile.info(each.path).duration for each in boxed.recordings]
    decisions, truth, owner = _segments(boxed, thresholds, durations_s)
    bootstrap = group_bootstrap([boxed.groups[each] for each in owner])
    by_segment = MetricReporter(bootstrap, labels, condition, recordings)
    for how, detected in decisions.items():
        f1 = partial(metrics.f1, decisions=detected, truth=truth)
        yield from by_segment.per_label(f"1-s segment macro-F1 {how}", f"1-s segment F1 {how}", f1)
    counts = [_count(boxed, thresholds, label, durations_s) for label in range(len(labels))]
    reporter = MetricReporter(group_bootstrap(boxed.groups), labels, condition, recordings)
    yield from reporter.per_label("PSDS", "PSDS", partial(psds, counts=counts))


def _segments(
    predictions: Predictions, thresholds: dict[int, Thresholds], durations_s: Sequence[float]
) -> tuple[dict[str, Truth], Truth, list[int]]:
    """Return decisions by name and truth, both (segments, labels), and the recording number of each segment."""
    scores, tuned, truths, owner = [], [], [], list[int]()
    for number, recording in enumerate(predictions.recordings):
        chosen = thresholds[int(predictions.fold[number])]
        probabilities = chosen.probabilities(predictions.frame_logits[recording.name])
        segments = segment_scores(probabilities, predictions.hop_s, predictions.window_s, durations_s[number])
        calls = _calls(recording)
        columns = [segment_truth(merge_spans(calls[code]), durations_s[number]) for code in predictions.labels]
        scores.append(segments)
        tuned.append(segments >= np.array(chosen.values))
        truths.append(np.stack(columns, 1))
        owner += [number] * len(segments)
    decisions = {"at 0.5": np.concatenate(scores) >= 0.5, "tuned": np.concatenate(tuned)}
    return decisions, np.concatenate(truths), owner


def _count(
    predictions: Predictions, thresholds: dict[int, Thresholds], label: int, durations_s: Sequence[float]
) -> DetectionCounts:
    shape = (len(predictions.recordings), len(THRESHOLD_GRID))
    found, false, calls = np.zeros(shape), np.zeros(shape), np.zeros(len(predictions.recordings))
    hop_s, window_s = predictions.hop_s, predictions.window_s
    for number, recording in enumerate(predictions.recordings):
        spans = merge_spans(_calls(recording)[predictions.labels[label]])
        calls[number] = len(spans)
        chosen = thresholds[int(predictions.fold[number])]
        scores: FloatArray = chosen.probabilities(predictions.frame_logits[recording.name])[:, label]
        for column, threshold in enumerate(THRESHOLD_GRID):
            detected = find_detections(scores, threshold, hop_s, window_s, durations_s[number])
            found[number, column], false[number, column] = match_detections(detected, spans)
    return DetectionCounts(found, false, calls, np.array(durations_s) / 3600)


def _calls(recording: Recording) -> dict[str, list[tuple[float, float]]]:
    calls = defaultdict[str, list[tuple[float, float]]](list)
    for label in recording.strong:
        calls[label.code].append((label.onset_s, label.offset_s))
    return calls
