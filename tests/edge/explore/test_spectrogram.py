"""The spectrogram is bright at the time and frequency of a sound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.explore import spectrogram
from anura_edge.explore.spectrogram import BANDS, log_mel

RATE_HZ = 22_050


def sound(seconds: float, *tones: tuple[float, float, float]) -> np.ndarray:
    """Return noise with tones, each as (frequency in Hz, begin in s, end in s)."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    audio = np.random.default_rng(1).normal(0, 1e-3, len(t))
    for hz, begin, end in tones:
        audio += 0.3 * np.sin(2 * np.pi * hz * t) * ((begin <= t) & (t < end))
    return (audio * 32_767).astype(np.int16)


@pytest.mark.parametrize("hz", [300, 1_000, 2_500, 6_000])
def test_tone_is_bright_in_its_band(hz: int) -> None:
    spectrum = log_mel(sound(4, (hz, 1, 2)), RATE_HZ)
    column = round(1.5 / spectrum.column_s)
    band = int(spectrum.levels[column].argmax())
    assert abs(np.log2(spectrum.bands_hz[band] / hz)) < 0.1
    assert spectrum.levels[column, band] > 230
    assert spectrum.levels[round(3 / spectrum.column_s), band] < 100


def test_short_call_in_a_long_recording_is_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrogram, "MAX_COLUMNS", 100)
    spectrum = log_mel(sound(60, (2_000, 30, 30.1)), RATE_HZ)
    assert len(spectrum.levels) <= 100
    assert abs(spectrum.levels.max(axis=1).argmax() * spectrum.column_s - 30) < 1
    assert spectrum.levels.max() > 230


def test_quiet_noise_stays_dark() -> None:
    assert np.median(log_mel(sound(5), RATE_HZ).levels) < 128


@given(samples=st.integers(0, 5_000), rate_hz=st.sampled_from([8_000, 22_050, 48_000]))
def test_any_length_has_a_spectrogram(samples: int, rate_hz: int) -> None:
    spectrum = log_mel(np.zeros(samples, np.int16), rate_hz)
    assert spectrum.levels.shape[1] == BANDS == len(spectrum.bands_hz)
    assert len(spectrum.levels) * spectrum.column_s >= samples / rate_hz - 1e-9
