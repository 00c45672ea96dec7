"""The picture of a sound: what is loud is bright, where and when it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.explore import spectrogram
from anura_edge.explore.spectrogram import BANDS, log_mel

RATE_HZ = 22_050


def sound(seconds: float, *tones: tuple[float, float, float]) -> np.ndarray:
    """Noise with tones: Hz, from, to."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    made = np.random.default_rng(1).normal(0, 1e-3, len(t))
    for hz, begin, end in tones:
        made += 0.3 * np.sin(2 * np.pi * hz * t) * ((begin <= t) & (t < end))
    return (made * 32_767).astype(np.int16)


@pytest.mark.parametrize("hz", [300, 1_000, 2_500, 6_000])
def test_a_tone_is_bright_in_its_band_while_it_lasts(hz: int) -> None:
    picture = log_mel(sound(4, (hz, 1, 2)), RATE_HZ)
    column = round(1.5 / picture.column_s)
    band = int(picture.levels[column].argmax())
    assert abs(np.log2(picture.bands_hz[band] / hz)) < 0.1
    assert picture.levels[column, band] > 230
    assert picture.levels[round(3 / picture.column_s), band] < 100


def test_a_short_call_in_a_long_sound_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrogram, "MAX_COLUMNS", 100)
    picture = log_mel(sound(60, (2_000, 30, 30.1)), RATE_HZ)
    assert len(picture.levels) <= 100
    assert abs(picture.levels.max(axis=1).argmax() * picture.column_s - 30) < 1
    assert picture.levels.max() > 230


def test_a_whisper_does_not_look_like_a_chorus() -> None:
    assert np.median(log_mel(sound(5), RATE_HZ).levels) < 128


@given(samples=st.integers(0, 5_000), rate_hz=st.sampled_from([8_000, 22_050, 48_000]))
def test_any_length_has_a_picture(samples: int, rate_hz: int) -> None:
    picture = log_mel(np.zeros(samples, np.int16), rate_hz)
    assert picture.levels.shape[1] == BANDS == len(picture.bands_hz)
    assert len(picture.levels) * picture.column_s >= samples / rate_hz
