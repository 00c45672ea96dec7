"""Conversions of samples, and the choice of a channel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.audio import AudioChunk, to_float, to_pcm16

LEVELS = st.lists(st.floats(-4, 4, width=32), max_size=50)


@given(LEVELS)
def test_pcm16_is_clipped_and_rounded_to_nearest(levels: list[float]) -> None:
    samples = np.array(levels, np.float32)
    pcm = to_pcm16(samples)
    assert pcm.dtype == np.int16
    assert np.abs(pcm / 32_767 - samples.clip(-1, 1)).max(initial=0) <= 0.5 / 32_767 + 1e-6


@given(st.lists(st.integers(-32_767, 32_767), max_size=50))
def test_pcm16_round_trips_within_one_step(values: list[int]) -> None:
    pcm = np.array(values, np.int16)
    assert np.abs(to_pcm16(to_float(pcm)).astype(int) - pcm).max(initial=0) <= 1


@pytest.mark.parametrize(("wanted", "chosen"), [(0, 0), (2, 2), (63, 2), ("loudest", 1)])
def test_wanted_or_loudest_channel_is_chosen(wanted: int, chosen: int) -> None:
    samples = np.zeros((10, 3), np.int16)
    samples[:, 1] = -100
    assert AudioChunk(samples, 0).choose_channel(wanted) == chosen
