"""Tests of event metrics: expected counts are computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_train.evaluation.events import (
    DetectionCounts,
    find_detections,
    match_detections,
    merge_spans,
    psds,
    segment_scores,
    segment_truth,
)


def spans(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, float).reshape(-1, 2)


def counted(found: list[float], false: list[float], calls: int, hours: float) -> DetectionCounts:
    return DetectionCounts(np.array([found]), np.array([false]), np.array([calls], float), np.array([hours]))


def test_psds_equals_area_computed_by_hand() -> None:
    """Two of four calls are found without a false detection, three from 20 false detections per hour on."""
    counts = counted(found=[0, 2, 3, 3], false=[0, 0, 40, 500], calls=4, hours=2.0)
    expected = (0.5 * 20 + 0.75 * 80) / 100
    assert psds(np.ones((1, 1)), [counts])[0, 0] == pytest.approx(expected)
    # Scored twice: the result is the same.
    assert psds(np.full((1, 1), 2.0), [counts])[0, 0] == pytest.approx(expected)


def test_psds_of_perfect_and_of_no_detection() -> None:
    ones = np.ones((1, 1))
    assert psds(ones, [counted([4, 4], [0, 0], 4, 1.0)])[0, 0] == 1
    assert psds(ones, [counted([0, 0], [0, 9], 4, 1.0)])[0, 0] == 0
    assert np.isnan(psds(ones, [counted([0, 0], [0, 9], 0, 1.0)])[0, 0])


@pytest.mark.parametrize(
    ("detected", "calls", "found", "false"),
    [
        (spans((0, 1)), spans((0, 1)), 1, 0),
        (spans((0, 2)), spans((0, 1)), 1, 0),  # half of it is call
        (spans((0, 2.1)), spans((0, 1)), 0, 1),  # less than half
        (spans((0, 0.4)), spans((0, 1)), 0, 0),  # right, but too little of the call
        (spans((0, 0.3), (0.5, 0.8)), spans((0, 1)), 1, 0),  # two detections cover half of it together
        (spans((0, 3)), spans((0, 1), (2, 3)), 2, 0),
        (spans((5, 6)), spans((0, 1)), 0, 1),
        (spans(), spans((0, 1)), 0, 0),
        (spans((0, 1)), spans(), 0, 1),
    ],
)
def test_detections_are_matched_with_calls(detected: np.ndarray, calls: np.ndarray, found: int, false: int) -> None:
    assert match_detections(detected, calls) == (found, false)


def test_frames_above_threshold_become_spans() -> None:
    scores = np.array([0, 1, 1, 0, 1], np.float32)
    # Frames of 1 s; then windows of 3 s, each of which stands for its middle second, and at the ends for the rest.
    assert find_detections(scores, 0.5, 1.0, 1.0, 5.0).tolist() == [[1, 3], [4, 5]]
    assert find_detections(scores, 0.5, 1.0, 3.0, 7.5).tolist() == [[2, 4], [5, 7.5]]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_true_frames_give_all_calls(calling: list[bool]) -> None:
    scores = np.array(calling, np.float32)
    detected = find_detections(scores, 0.5, 1.0, 1.0, float(len(scores)))
    assert match_detections(detected, detected) == (len(detected), 0)
    assert segment_truth(detected, len(scores)).tolist() == calling
    assert (segment_scores(scores[:, None], 1.0, 1.0, len(scores))[:, 0] > 0.5).tolist() == calling


def test_second_has_score_of_highest_or_nearest_frame() -> None:
    fine = np.array([[0.1], [0.9], [0.2], [0.3]], np.float32)
    assert segment_scores(fine, 0.5, 0.5, 2.0)[:, 0].tolist() == pytest.approx([0.9, 0.3])
    windows = np.array([[0.1], [0.9]], np.float32)
    assert segment_scores(windows, 1.0, 3.0, 4.0)[:, 0].tolist() == pytest.approx([0.1, 0.1, 0.9, 0.9])


def test_touching_boxes_are_one_call() -> None:
    assert merge_spans([(2, 3), (0, 1), (0.5, 2)]).tolist() == [[0, 3]]
    assert merge_spans([(0, 1), (1.5, 2)]).tolist() == [[0, 1], [1.5, 2]]
    assert merge_spans([]).shape == (0, 2)


@pytest.mark.parametrize(("seed", "expected"), [(0, 0.312619), (1, 0.177878), (2, 0.235780)])
def test_psds_equals_reference_implementation(seed: int, expected: float) -> None:
    """The expected values are those of psds_eval 0.5.3 for the same calls and detections, with its own settings."""
    rng = np.random.default_rng(seed)
    recordings, labels, duration = 12, 3, 60
    grid = np.linspace(0.02, 0.98, 49)
    found, false = np.zeros((2, labels, recordings, len(grid)))
    calls = np.zeros((labels, recordings))
    for recording in range(recordings):
        for label in range(labels):
            onsets = np.cumsum(rng.uniform(3, 15, 20))
            drawn = [(onset, onset + rng.uniform(1, 3)) for onset in onsets if onset < duration - 4]
            annotated = merge_spans(drawn[:: rng.integers(1, 3)])
            scores = rng.random(duration) * 0.6
            for onset, offset in annotated:
                scores[int(onset) : int(offset) + 1] += rng.uniform(0, 0.5)
            scores = np.clip(scores, 0, 1).astype(np.float32)
            calls[label, recording] = len(annotated)
            for index, threshold in enumerate(grid):
                detected = find_detections(scores, threshold, 1.0, 1.0, duration)
                found[label, recording, index], false[label, recording, index] = match_detections(detected, annotated)
    hours = np.full(recordings, duration / 3600)
    counts = [DetectionCounts(found[label], false[label], calls[label], hours) for label in range(labels)]
    assert psds(np.ones((1, recordings)), counts).mean() == pytest.approx(expected, abs=1e-6)
