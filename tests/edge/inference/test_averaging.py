"""Means of adjacent frames: the same for any grouping of frames, and over existing frames at both ends."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.events import Scores
from anura_edge.inference.averaging import FrameAverager, average_frames

HOP, SPAN = 4_000, 8_000

lengths = st.integers(0, 30)
odd_numbers = st.sampled_from([1, 3, 5, 9])


def random_table(frames: int) -> FloatArray:
    return np.random.default_rng(frames).random((frames, 3), np.float32)


def stream(table: FloatArray, averaged_frames: int, cuts: list[float]) -> list[Scores]:
    """Feed a table in pieces, each with the power that its frame numbers give."""
    averager = FrameAverager(averaged_frames)
    bounds = [0, *sorted(round(cut * len(table)) for cut in cuts), len(table)]
    power = np.arange(len(table), dtype=np.float32)
    found = [
        averager.feed(Scores(table[first:last], power[first:last], first * HOP, HOP, SPAN))
        for first, last in pairwise(bounds)
    ]
    last = averager.flush()
    return [*found, last] if last else found


@given(lengths, odd_numbers)
def test_mean_is_over_existing_neighbours(frames: int, averaged_frames: int) -> None:
    table, reach = random_table(frames), averaged_frames // 2
    expected = [table[max(0, n - reach) : n + reach + 1].mean(0) for n in range(frames)]
    found = average_frames(table, averaged_frames)
    assert (found.shape, found.dtype) == (table.shape, table.dtype)
    assert found == pytest.approx(np.reshape(expected, table.shape), abs=1e-6)


@given(lengths, odd_numbers, st.lists(st.floats(0, 1), max_size=6))
def test_stream_in_any_pieces_equals_the_whole(frames: int, averaged_frames: int, cuts: list[float]) -> None:
    table = random_table(frames)
    parts = stream(table, averaged_frames, cuts)
    np.testing.assert_array_equal(
        np.concatenate([s.probabilities for s in parts]), average_frames(table, averaged_frames)
    )
    np.testing.assert_array_equal(np.concatenate([s.power for s in parts]), np.arange(frames))
    position = 0
    for scores in parts:
        assert (scores.first_sample, scores.hop_samples, scores.frame_samples) == (position, HOP, SPAN)
        position += len(scores.power) * HOP


@given(lengths)
def test_one_frame_changes_nothing(frames: int) -> None:
    table = random_table(frames)
    averager = FrameAverager(1)
    found = averager.feed(Scores(table, np.zeros(frames, np.float32), 0, HOP, SPAN))
    np.testing.assert_array_equal(found.probabilities, table)


def test_stream_without_frames_has_no_means() -> None:
    assert FrameAverager(3).flush() is None
