"""Decimation by four inside a network."""

import numpy as np
import pytest
import torch

from anura_train.models.birdnet.decimation import Decimator

RATE_HZ, SAMPLES = 48_000, 4_800


def tone(frequency_hz: float, first: int = 0, step: int = 1) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(first, SAMPLES, step) / RATE_HZ)


def decimated(audio: np.ndarray) -> list[np.ndarray]:
    return [phase[0].numpy() for phase in Decimator(SAMPLES)(torch.from_numpy(audio[None]).float())]


@pytest.mark.parametrize("frequency_hz", [0.0, 100.0, 1_000.0, 3_000.0])
def test_low_frequencies_pass_in_both_phases(frequency_hz: float) -> None:
    for phase, first in zip(decimated(tone(frequency_hz)), (0, 2), strict=True):
        expected = tone(frequency_hz, first, 4)
        middle = slice(20, len(expected) - 20)
        np.testing.assert_allclose(phase[: len(expected)][middle], expected[middle], atol=2e-5)


@pytest.mark.parametrize("frequency_hz", [9_100.0, 12_000.0, 15_000.0, 23_000.0])
def test_frequencies_aliased_below_3_khz_are_removed(frequency_hz: float) -> None:
    for phase in decimated(tone(frequency_hz)):
        assert np.abs(phase[20:-20]).max() < 2e-5
