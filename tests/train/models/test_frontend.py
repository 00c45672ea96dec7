"""Front ends equal torchaudio, and their output does not depend on chunks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from torchaudio.compliance import kaldi
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from anura_train.models.frontend import (
    FLOOR,
    MEAN_DB,
    STD_DB,
    Fbank,
    LogMel,
    MelSpectrogramDb,
    RunningMeanSubtraction,
    WindowLogMel,
)

HOP, WINDOW, MELS, RATE_HZ = 245, 490, 64, 22_050


@pytest.fixture(scope="module")
def log_mel() -> LogMel:
    return LogMel(RATE_HZ, HOP, WINDOW, MELS)


def noise(steps: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 0.1, (2, steps * HOP)).astype(np.float32))


@pytest.mark.parametrize(("hop", "window"), [(245, 490), (245, 980), (441, 882), (220, 440)])
def test_log_mel_equals_torchaudio(hop: int, window: int) -> None:
    log_mel, audio = LogMel(RATE_HZ, hop, window, MELS), noise(40)[:, : 40 * hop]
    audio = audio[:, : audio.shape[1] // hop * hop]
    reference = MelSpectrogram(RATE_HZ, window, window, hop, 50.0, 10_000.0, 0, MELS, center=False)
    padded = functional.pad(audio, (window - hop, 0))
    # LogMel is scaled so that a full-scale sine has power 1 in its bin.
    power = reference(padded) * (2 / torch.hann_window(window).sum()) ** 2
    expected = (10 * torch.log10(power + FLOOR) - MEAN_DB) / STD_DB
    found, _ = log_mel(audio, log_mel.silence(2))
    assert torch.allclose(found, expected.transpose(1, 2), atol=1e-3)


def test_no_mel_band_is_empty(log_mel: LogMel) -> None:
    assert (log_mel.bank.sum(0) > 0).all()


def test_full_scale_sine_has_power_one(log_mel: LogMel) -> None:
    time_s = torch.arange(20 * HOP) / RATE_HZ
    features, _ = log_mel(torch.sin(2 * torch.pi * 4_500 * time_s)[None], log_mel.silence(1))
    loudest_db = features[0, 5:].max() * STD_DB + MEAN_DB
    assert abs(float(loudest_db)) < 1.5


def test_digital_silence_is_the_floor(log_mel: LogMel) -> None:
    features, _ = log_mel(torch.zeros(1, 4 * HOP), log_mel.silence(1))
    assert torch.allclose(features * STD_DB + MEAN_DB, torch.tensor(10 * np.log10(FLOOR), dtype=torch.float32))


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_chunk_length_does_not_change_the_output(log_mel: LogMel, steps: list[int]) -> None:
    audio = noise(sum(steps))
    whole, _ = log_mel(audio, log_mel.silence(2))
    tail, parts = log_mel.silence(2), []
    for chunk in audio.split([step * HOP for step in steps], dim=1):
        part, tail = log_mel(chunk, tail)
        parts.append(part)
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)


def test_mean_subtraction_removes_gain() -> None:
    contrast = RunningMeanSubtraction(4, MELS)
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 80, MELS)).astype(np.float32))
    past = torch.zeros(1, *contrast.state_shape)
    quiet, _ = contrast(features, past)
    loud, _ = contrast(features + 1.5, past)
    assert torch.allclose(quiet, loud, atol=1e-4)


def test_window_is_preceded_by_silence(log_mel: LogMel) -> None:
    audio = noise(20)
    expected, _ = log_mel(audio, log_mel.silence(2))
    assert torch.equal(WindowLogMel(RATE_HZ, HOP, WINDOW, MELS)(audio), expected)


def test_fbank_equals_kaldi() -> None:
    audio = noise(40)[:, :8_000]
    # AST subtracts the mean of the waveform first; this has no effect, because each frame loses its own mean.
    expected = torch.stack(
        [
            kaldi.fbank(
                (wave - wave.mean())[None],
                htk_compat=True,
                sample_frequency=16_000,
                use_energy=False,
                window_type="hanning",
                num_mel_bins=128,
                dither=0.0,
                frame_shift=10,
            )
            for wave in audio
        ]
    )
    found = Fbank(128, mean=-4.0, std=4.5)(audio)
    assert found.shape == (2, 48, 128)
    assert torch.allclose(found, (expected + 4.0) / 9.0, atol=1e-3)


def test_fbank_of_three_seconds_has_298_frames() -> None:
    assert Fbank(128, 0.0, 1.0)(torch.zeros(1, 48_000)).shape == (1, 298, 128)


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
@pytest.mark.parametrize("bank_rate_hz", [16_000, 22_050])
def test_mel_decibels_equal_torchaudio_for_both_bank_rates(bank_rate_hz: int) -> None:
    audio = noise(40)
    reference = MelSpectrogram(bank_rate_hz, n_fft=512, hop_length=128, n_mels=128)
    expected = (AmplitudeToDB()(reference(audio)).transpose(1, 2) + 20) / 10
    found = MelSpectrogramDb(512, 128, 128, bank_rate_hz, mean_db=-20.0, std_db=10.0)(audio)
    assert torch.allclose(found, expected, atol=1e-2)
