"""Calls in time, counted by hand."""

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


def test_psds_is_the_area_that_one_draws_by_hand() -> None:
    """Half of four calls without a false detection, three fourths from 20 false an hour on, never all of them."""
    counts = counted(found=[0, 2, 3, 3], false=[0, 0, 40, 500], calls=4, hours=2.0)
    expected = (0.5 * 20 + 0.75 * 80) / 100
    assert psds(np.ones((1, 1)), [counts])[0, 0] == pytest.approx(expected)
    # Scored twice: the result is the same.
    assert psds(np.full((1, 1), 2.0), [counts])[0, 0] == pytest.approx(expected)


def test_psds_of_perfect_and_of_deaf_detection() -> None:
    ones = np.ones((1, 1))
    assert psds(ones, [counted([4, 4], [0, 0], 4, 1.0)])[0, 0] == 1
    assert psds(ones, [counted([0, 0], [0, 9], 4, 1.0)])[0, 0] == 0
    assert np.isnan(psds(ones, [counted([0, 0], [0, 9], 0, 1.0)])[0, 0])


@pytest.mark.parametrize(
    ("heard", "calls", "found", "false"),
    [
        (spans((0, 1)), spans((0, 1)), 1, 0),
        (spans((0, 2)), spans((0, 1)), 1, 0),  # half of it is call
        (spans((0, 2.1)), spans((0, 1)), 0, 1),  # less than half
        (spans((0, 0.4)), spans((0, 1)), 0, 0),  # right, but too little of the call
        (spans((0, 0.3), (0.5, 0.8)), spans((0, 1)), 1, 0),  # two halves find it together
        (spans((0, 3)), spans((0, 1), (2, 3)), 2, 0),
        (spans((5, 6)), spans((0, 1)), 0, 1),
        (spans(), spans((0, 1)), 0, 0),
        (spans((0, 1)), spans(), 0, 1),
    ],
)
def test_detections_and_calls_meet(heard: np.ndarray, calls: np.ndarray, found: int, false: int) -> None:
    assert match_detections(heard, calls) == (found, false)


def test_rows_become_stretches_of_time() -> None:
    row = np.array([0, 1, 1, 0, 1], np.float32)
    # Rows of 1 s, each its own second; then windows of 3 s, which speak for their middle second and for the ends.
    assert find_detections(row, 0.5, 1.0, 1.0, 5.0).tolist() == [[1, 3], [4, 5]]
    assert find_detections(row, 0.5, 1.0, 3.0, 7.5).tolist() == [[2, 4], [5, 7.5]]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_detecting_the_truth_finds_all_of_it(calling: list[bool]) -> None:
    row = np.array(calling, np.float32)
    heard = find_detections(row, 0.5, 1.0, 1.0, float(len(row)))
    assert match_detections(heard, heard) == (len(heard), 0)
    assert segment_truth(heard, len(row)).tolist() == calling
    assert (segment_scores(row[:, None], 1.0, 1.0, len(row))[:, 0] > 0.5).tolist() == calling


def test_a_second_takes_its_highest_row_or_the_nearest() -> None:
    fine = np.array([[0.1], [0.9], [0.2], [0.3]], np.float32)
    assert segment_scores(fine, 0.5, 0.5, 2.0)[:, 0].tolist() == pytest.approx([0.9, 0.3])
    windows = np.array([[0.1], [0.9]], np.float32)
    assert segment_scores(windows, 1.0, 3.0, 4.0)[:, 0].tolist() == pytest.approx([0.1, 0.1, 0.9, 0.9])


def test_boxes_that_touch_are_one_call() -> None:
    assert merge_spans([(2, 3), (0, 1), (0.5, 2)]).tolist() == [[0, 3]]
    assert merge_spans([(0, 1), (1.5, 2)]).tolist() == [[0, 1], [1.5, 2]]
    assert merge_spans([]).shape == (0, 2)


@pytest.mark.parametrize(("seed", "expected"), [(0, 0.312619), (1, 0.177878), (2, 0.235780)])
def test_psds_is_what_its_authors_program_says(seed: int, expected: float) -> None:
    """The figures are those of psds_eval 0.5.3 for the same calls and detections, with its own settings."""
    rng = np.random.default_rng(seed)
    recordings, labels, duration = 12, 3, 60
    grid = np.linspace(0.02, 0.98, 49)
    found, false = np.zeros((2, labels, recordings, len(grid)))
    calls = np.zeros((labels, recordings))
    for recording in range(recordings):
        for label in range(labels):
            onsets = np.cumsum(rng.uniform(3, 15, 20))
            drawn = [(onset, onset + rng.uniform(1, 3)) for onset in onsets if onset < duration - 4]
            there = merge_spans(drawn[:: rng.integers(1, 3)])
            row = rng.random(duration) * 0.6
            for onset, offset in there:
                row[int(onset) : int(offset) + 1] += rng.uniform(0, 0.5)
            row = np.clip(row, 0, 1).astype(np.float32)
            calls[label, recording] = len(there)
            for place, threshold in enumerate(grid):
                heard = find_detections(row, threshold, 1.0, 1.0, duration)
                found[label, recording, place], false[label, recording, place] = match_detections(heard, there)
    hours = np.full(recordings, duration / 3600)
    counts = [DetectionCounts(found[label], false[label], calls[label], hours) for label in range(labels)]
    assert psds(np.ones((1, recordings)), counts).mean() == pytest.approx(expected, abs=1e-6)
