"""How well calls are found in time, against strong labels: F1 of 1-s segments, and PSDS.

PSDS, the polyphonic sound detection score (Bilen, Ferroni, Tuveri, Azcarreta, Krstulovic 2020, arXiv:1910.08440), with
the defaults of its authors' psds_eval: a detection is right when at least half of it is in calls, a call is found when
at least half of it is in right detections, up to 100 false ones an hour, neither cross-triggers nor the spread between
species cost anything. With those the score is the mean of the species' own areas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_train.evaluation.measures import Figures, Weights
from anura_train.evaluation.metrics import Truth

SEGMENT_S = 1.0
MIN_OVERLAP = 0.5
"""Share of a detection, and of a call, that must lie in the other's kind."""
MAX_FALSE_PER_HOUR = 100.0

Spans = NDArray[np.float64]
"""Onset and offset in seconds, (n, 2), in order and apart."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectionCounts:
    """What detection found in each recording, for one label and each threshold."""

    found: NDArray[np.float64]
    """Calls that were found, (recordings, thresholds)."""
    false: NDArray[np.float64]
    """Detections that were wrong, (recordings, thresholds)."""
    calls: NDArray[np.float64]
    """Shape (recordings,)."""
    hours: NDArray[np.float64]
    """Shape (recordings,)."""


def segment_scores(rows: FloatArray, step_s: float, span_s: float, duration_s: float) -> FloatArray:
    """Return the score of each second, (segments, labels): its highest row, or the nearest where none is centred in it.

    `rows` is (rows, labels); a row stands for the middle of what it hears.
    """
    centres = np.arange(len(rows)) * step_s + span_s / 2
    scores = []
    for start in np.arange(max(1, int(np.ceil(duration_s / SEGMENT_S)))) * SEGMENT_S:
        inside = (centres >= start) & (centres < start + SEGMENT_S)
        nearest = np.abs(centres - start - SEGMENT_S / 2).argmin()
        scores.append(rows[inside].max(0) if inside.any() else rows[nearest])
    return np.asarray(np.stack(scores), np.float32)


def segment_truth(calls: Spans, duration_s: float) -> Truth:
    """Say of each second, (segments,), whether any of a species' calls is in it."""
    starts = np.arange(max(1, int(np.ceil(duration_s / SEGMENT_S)))) * SEGMENT_S
    return np.array([bool(((calls[:, 0] < start + SEGMENT_S) & (calls[:, 1] > start)).any()) for start in starts])


def detections(row: FloatArray, threshold: float, step_s: float, span_s: float, duration_s: float) -> Spans:
    """Return the stretches of one label's rows (rows,) at or above a threshold.

    Each row speaks for a step around its middle, the first and last also for what lies beyond them.
    """
    heard = np.concatenate([[False], row >= threshold, [False]])
    edges = np.flatnonzero(heard[1:] != heard[:-1]).reshape(-1, 2)
    bounds = np.arange(len(row) + 1) * step_s + (span_s - step_s) / 2
    bounds[0], bounds[-1] = 0.0, max(duration_s, bounds[-1])
    return np.asarray(bounds[edges].reshape(-1, 2), np.float64)


def match_detections(heard: Spans, calls: Spans) -> tuple[int, int]:
    """Return how many calls were found, and how many detections are wrong."""
    overlap = _overlap(heard, calls)
    right = overlap.sum(1) >= MIN_OVERLAP * np.diff(heard)[:, 0]
    found = overlap[right].sum(0) >= MIN_OVERLAP * np.diff(calls)[:, 0]
    return int(found.sum()), int((~right).sum())


def psds(weights: Weights, counts: Sequence[DetectionCounts]) -> Figures:
    """Return each label's area under its PSD-ROC, 0 to 1, (draws, labels), for weights (draws, recordings)."""
    return np.stack([_area(weights, each) for each in counts], axis=1)


def merge_spans(spans: Sequence[tuple[float, float]]) -> Spans:
    """Return spans in order, those that touch made one."""
    merged: list[list[float]] = []
    for onset_s, offset_s in sorted(spans):
        if merged and onset_s <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], offset_s)
        else:
            merged.append([onset_s, offset_s])
    return np.array(merged, np.float64).reshape(-1, 2)


def _overlap(heard: Spans, calls: Spans) -> NDArray[np.float64]:
    """Return the seconds that each detection shares with each call."""
    until = np.minimum(heard[:, None, 1], calls[None, :, 1])
    return np.asarray(np.clip(until - np.maximum(heard[:, None, 0], calls[None, :, 0]), 0, None))


def _area(weights: Weights, counts: DetectionCounts) -> Figures:
    """Integrate the share of calls found over false detections an hour, a staircase, up to the most allowed."""
    calls, hours = weights @ counts.calls, weights @ counts.hours
    found = weights @ counts.found / np.maximum(calls, 1e-9)[:, None]  # (draws, thresholds)
    false = weights @ counts.false / hours[:, None]
    order = np.argsort(false, axis=1, kind="stable")
    reached = np.maximum.accumulate(np.take_along_axis(found, order, 1), axis=1)
    steps = np.minimum(np.take_along_axis(false, order, 1), MAX_FALSE_PER_HOUR)
    widths = np.diff(steps, axis=1, append=MAX_FALSE_PER_HOUR)
    return np.where(calls > 0, (reached * widths).sum(1) / MAX_FALSE_PER_HOUR, np.nan)
