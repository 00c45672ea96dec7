"""The front end is what torchaudio computes, and streams without a seam."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torchaudio.transforms import MelSpectrogram

from anura_train.frontend import FLOOR, MEAN_DB, SPREAD_DB, Contrast, LogMel

HOP, WINDOW, MELS, RATE_HZ = 245, 490, 64, 22_050


@pytest.fixture(scope="module")
def log_mel() -> LogMel:
    return LogMel(RATE_HZ, HOP, WINDOW, MELS)


def noise(steps: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, (2, steps * HOP)).astype(np.float32))


def test_it_is_torchaudios_mel_spectrogram_in_decibels(log_mel: LogMel) -> None:
    audio = noise(40)
    reference = MelSpectrogram(RATE_HZ, WINDOW, WINDOW, HOP, 50.0, 10_000.0, 0, MELS, center=False)
    padded = functional.pad(audio, (WINDOW - HOP, 0))
    # Ours is scaled so that a full-scale sine has power 1 in its bin.
    power = reference(padded) * (2 / torch.hann_window(WINDOW).sum()) ** 2
    expected = (10 * torch.log10(power + FLOOR) - MEAN_DB) / SPREAD_DB
    found, _ = log_mel(audio, log_mel.silence(2))
    assert torch.allclose(found, expected.transpose(1, 2), atol=1e-3)


def test_every_band_hears_something(log_mel: LogMel) -> None:
    assert (log_mel.bank.sum(0) > 0).all()


def test_a_full_scale_sine_has_power_one(log_mel: LogMel) -> None:
    time_s = torch.arange(20 * HOP) / RATE_HZ
    features, _ = log_mel(torch.sin(2 * torch.pi * 4_500 * time_s)[None], log_mel.silence(1))
    loudest_db = features[0, 5:].max() * SPREAD_DB + MEAN_DB
    assert abs(float(loudest_db)) < 1.5


def test_digital_silence_is_the_floor(log_mel: LogMel) -> None:
    features, _ = log_mel(torch.zeros(1, 4 * HOP), log_mel.silence(1))
    assert torch.allclose(features * SPREAD_DB + MEAN_DB, torch.tensor(10 * np.log10(FLOOR), dtype=torch.float32))


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_chunks_make_no_difference(log_mel: LogMel, steps: list[int]) -> None:
    audio = noise(sum(steps))
    whole, _ = log_mel(audio, log_mel.silence(2))
    tail, parts = log_mel.silence(2), []
    for chunk in audio.split([step * HOP for step in steps], dim=1):
        part, tail = log_mel(chunk, tail)
        parts.append(part)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


def test_contrast_takes_gain_away() -> None:
    contrast = Contrast(4, MELS)
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 80, MELS)).astype(np.float32))
    past = torch.zeros(1, *contrast.state_shape)
    quiet, _ = contrast(features, past)
    loud, _ = contrast(features + 1.5, past)
    assert torch.allclose(quiet, loud, atol=1e-4)
