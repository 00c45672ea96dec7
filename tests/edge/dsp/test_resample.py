"""The resampler changes the sampling rate and nothing else, for any chunks."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anura_edge.audio import FloatArray
from anura_edge.dsp.resample import Resampler

RATES = [(8_000, 22_050), (22_050, 8_000), (24_000, 22_050), (44_100, 22_050), (96_000, 8_000), (48_000, 32_000)]


def resample(from_hz: int, to_hz: int, *chunks: FloatArray) -> FloatArray:
    resampler = Resampler(from_hz, to_hz)
    return np.concatenate([*(resampler.feed(chunk) for chunk in chunks), resampler.flush()])


@settings(max_examples=30)
@given(st.sampled_from(RATES), st.integers(0, 5_000), st.lists(st.integers(0, 5_000), max_size=6))
def test_result_does_not_depend_on_chunks(rates: tuple[int, int], count: int, at: list[int]) -> None:
    noise = np.random.default_rng(count).normal(0, 0.1, count).astype(np.float32)
    chunks = np.split(noise, sorted(min(i, count) for i in at))
    np.testing.assert_allclose(resample(*rates, *chunks), resample(*rates, noise), atol=1e-6)


@given(st.sampled_from(RATES), st.integers(0, 20_000))
def test_duration_is_unchanged(rates: tuple[int, int], count: int) -> None:
    from_hz, to_hz = rates
    assert abs(len(resample(*rates, np.zeros(count, np.float32))) - count * to_hz / from_hz) <= 1


@pytest.mark.parametrize("rates", RATES)
def test_tone_has_the_same_frequency_and_phase(rates: tuple[int, int], tone: Callable[..., FloatArray]) -> None:
    from_hz, to_hz = rates
    found, wanted = resample(from_hz, to_hz, tone(from_hz, 2, 997.0)), tone(to_hz, 2, 997.0)
    middle = slice(to_hz // 2, 3 * to_hz // 2)  # without the edges of the filter
    np.testing.assert_allclose(found[middle], wanted[middle], atol=1e-3)


@pytest.mark.parametrize("rates", RATES)
def test_click_stays_at_its_time(rates: tuple[int, int]) -> None:
    from_hz, to_hz = rates
    click = np.zeros(from_hz, np.float32)
    click[from_hz // 4] = 1
    assert abs(int(np.abs(resample(from_hz, to_hz, click)).argmax()) - to_hz // 4) <= 1


def test_tone_above_the_new_nyquist_frequency_is_removed(tone: Callable[..., FloatArray]) -> None:
    found = resample(44_100, 8_000, tone(44_100, 2, 6_000.0))
    assert np.abs(found[4_000:12_000]).max() < 1e-4


def test_equal_rates_change_nothing(tone: Callable[..., FloatArray]) -> None:
    sound = tone(22_050, 0.1)
    np.testing.assert_array_equal(resample(22_050, 22_050, sound[:7], sound[7:]), sound)
