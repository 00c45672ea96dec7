"""Detections in time against strong labels: scores of 1-s segments, and PSDS.

PSDS is the polyphonic sound detection score (Bilen, Ferroni, Tuveri, Azcarreta, Krstulovic 2020, arXiv:1910.08440).
The settings are the defaults of its authors' psds_eval: a detection is right when at least half of it lies in calls; a
call is found when at least half of it lies in right detections; up to 100 false detections per hour count;
cross-triggers and the spread between species cost nothing. With these settings the score is the mean area of the
species.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.evaluation.metrics import Truth, Values, Weights

SEGMENT_S = 1.0
MIN_OVERLAP = 0.5
"""Share of a detection that must lie in calls, and of a call that must lie in right detections."""
MAX_FALSE_PER_HOUR = 100.0

Spans = NDArray[np.float64]
"""Onsets and offsets in seconds, (n, 2), sorted, without overlaps."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectionCounts:
    """Results of detection for one label: for each recording and each threshold."""

    found: NDArray[np.float64]
    """Number of calls that were found, (recordings, thresholds)."""
    false: NDArray[np.float64]
    """Number of false detections, (recordings, thresholds)."""
    calls: NDArray[np.float64]
    """Shape (recordings,)."""
    hours: NDArray[np.float64]
    """Shape (recordings,)."""


def segment_scores(scores: FloatArray, hop_s: float, window_s: float, duration_s: float) -> FloatArray:
    """Return the score of each second, (segments, labels), from the scores of frames, (frames, labels).

    It is the highest score of the frames whose windows are centred in the second, or that of the nearest frame.
    """
    centres_s = np.arange(len(scores)) * hop_s + window_s / 2
    segments = []
    for start in np.arange(max(1, int(np.ceil(duration_s / SEGMENT_S)))) * SEGMENT_S:
        inside = (centres_s >= start) & (centres_s < start + SEGMENT_S)
        nearest = np.abs(centres_s - start - SEGMENT_S / 2).argmin()
        segments.append(scores[inside].max(0) if inside.any() else scores[nearest])
    return np.asarray(np.stack(segments), np.float32)


def segment_truth(calls: Spans, duration_s: float) -> Truth:
    """Return for each second, (segments,), whether it contains a part of a call."""
    starts = np.arange(max(1, int(np.ceil(duration_s / SEGMENT_S)))) * SEGMENT_S
    return np.array([bool(((calls[:, 0] < start + SEGMENT_S) & (calls[:, 1] > start)).any()) for start in starts])


def find_detections(scores: FloatArray, threshold: float, hop_s: float, window_s: float, duration_s: float) -> Spans:
    """Return the runs of frames (frames,) of one label at or above a threshold.

    A frame stands for one hop around the centre of its window. The first and the last frame reach to the ends.
    """
    detected = np.concatenate([[False], scores >= threshold, [False]])
    edges = np.flatnonzero(detected[1:] != detected[:-1]).reshape(-1, 2)
    bounds_s = np.arange(len(scores) + 1) * hop_s + (window_s - hop_s) / 2
    bounds_s[0], bounds_s[-1] = 0.0, max(duration_s, bounds_s[-1])
    return np.asarray(bounds_s[edges].reshape(-1, 2), np.float64)


def match_detections(detected: Spans, calls: Spans) -> tuple[int, int]:
    """Return how many calls were found, and how many detections are false."""
    overlap = _overlap(detected, calls)
    right = overlap.sum(1) >= MIN_OVERLAP * np.diff(detected)[:, 0]
    found = overlap[right].sum(0) >= MIN_OVERLAP * np.diff(calls)[:, 0]
    return int(found.sum()), int((~right).sum())


def psds(weights: Weights, counts: Sequence[DetectionCounts]) -> Values:
    """Return the area under the PSD-ROC of each label, 0 to 1, (draws, labels), for weights (draws, recordings)."""
    return np.stack([_area(weights, each) for each in counts], axis=1)


def merge_spans(spans: Sequence[tuple[float, float]]) -> Spans:
    """Return the spans sorted, with spans that touch merged."""
    merged: list[list[float]] = []
    for onset_s, offset_s in sorted(spans):
        if merged and onset_s <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], offset_s)
        else:
            merged.append([onset_s, offset_s])
    return np.array(merged, np.float64).reshape(-1, 2)


def _overlap(detected: Spans, calls: Spans) -> NDArray[np.float64]:
    """Return the overlap of each detection with each call, (detections, calls), in seconds."""
    end_s = np.minimum(detected[:, None, 1], calls[None, :, 1])
    return np.asarray(np.clip(end_s - np.maximum(detected[:, None, 0], calls[None, :, 0]), 0, None))


def _area(weights: Weights, counts: DetectionCounts) -> Values:
    """Integrate the share of calls found, a step function of false detections per hour, up to the maximum."""
    calls, hours = weights @ counts.calls, weights @ counts.hours
    found = weights @ counts.found / np.maximum(calls, 1e-9)[:, None]  # (draws, thresholds)
    false = weights @ counts.false / hours[:, None]
    order = np.argsort(false, axis=1, kind="stable")
    reached = np.maximum.accumulate(np.take_along_axis(found, order, 1), axis=1)
    steps = np.minimum(np.take_along_axis(false, order, 1), MAX_FALSE_PER_HOUR)
    widths = np.diff(steps, axis=1, append=MAX_FALSE_PER_HOUR)
    return np.where(calls > 0, (reached * widths).sum(1) / MAX_FALSE_PER_HOUR, np.nan)
