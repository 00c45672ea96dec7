"""Waveform to log-mel features, inside the network: the same module trains, exports and runs on the device."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

FLOOR = 1e-10
"""Power added before the logarithm: -100 dB of a full-scale sine, just under the hiss of a quiet recorder's band."""

MEAN_DB, SPREAD_DB = -70.0, 20.0
"""Fixed normalisation: the middle and spread of band levels over our training examples, to the nearest 5 dB.
Never of a batch or a recording: a frog must not become louder because its neighbours are quiet."""


MEMORY_STEPS = 45
"""Steps that a mean is over: 2 s, longer than most calls, shorter than the weather."""


class LogMel(nn.Module):
    """Log-mel features by a DFT written as a convolution (Hann window), which every ONNX runtime does fast.

    Frame t ends where hop t ends: it sees `window_samples` back from (t + 1) * hop, nothing ahead.
    """

    dft: Tensor
    bank: Tensor

    def __init__(self, rate_hz: int, hop_samples: int, window_samples: int, mels: int) -> None:
        super().__init__()
        self.hop_samples = hop_samples
        self.tail_samples = window_samples - hop_samples
        self.mels = mels
        bins = window_samples // 2 + 1
        self.register_buffer("dft", _dft(window_samples, bins), persistent=False)
        bank = melscale_fbanks(bins, 50.0, 10_000.0, mels, rate_hz, norm=None, mel_scale="htk")
        self.register_buffer("bank", bank, persistent=False)

    def forward(self, audio: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Turn audio (B, N), N a multiple of the hop, and the samples before it (B, tail) into features.

        Returns features (B, N / hop, mels), about zero mean and unit spread, and the next tail.
        """
        audio = torch.cat([tail, audio], dim=1)
        spectrum = F.conv1d(audio.unsqueeze(1), self.dft, stride=self.hop_samples)  # (B, 2 bins, frames)
        real, imaginary = spectrum.chunk(2, dim=1)
        power = (real.square() + imaginary.square()).transpose(1, 2) @ self.bank  # (B, frames, mels)
        level_db = torch.log(power + FLOOR) * (10 / math.log(10))
        return (level_db - MEAN_DB) / SPREAD_DB, audio[:, audio.shape[1] - self.tail_samples :]

    def silence(self, batch: int) -> Tensor:
        """Return the tail of a stream that has just begun, (B, tail)."""
        return torch.zeros(batch, self.tail_samples)


class Contrast(nn.Module):
    """Features against what was just heard: twice, against the last 2 s of all bands, and of each band by itself.

    The first takes away gain and distance, the second also the recorder's response and steady noise.
    Causal: the mean of each step is over that step and those before
    it, and at the beginning of a stream over as many as there are.
    """

    channels = 2

    def __init__(self, frames: int, mels: int) -> None:
        """Compare each `frames` frames with the mean over MEMORY_STEPS times as many."""
        super().__init__()
        self.frames = frames
        self.state_shape = (MEMORY_STEPS - 1, mels + 1)

    def forward(self, features: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, T, M) and the means of past steps to (B, 2, T, M) and the next state."""
        steps = F.avg_pool1d(features.transpose(1, 2), self.frames).transpose(1, 2)  # (B, T / frames, M)
        counted = torch.cat([steps, torch.ones_like(steps[:, :, :1])], dim=2)  # (B, T / frames, M + 1)
        steps = torch.cat([past, counted], dim=1)
        # The past before a stream's beginning is zeros, and its count too, so it weighs nothing.
        sums = F.avg_pool1d(steps.transpose(1, 2), MEMORY_STEPS, stride=1).transpose(1, 2)
        means = (sums[:, :, :-1] / sums[:, :, -1:]).unsqueeze(2).expand(-1, -1, self.frames, -1)
        means = means.flatten(1, 2)  # (B, T, M)
        contrast = torch.stack([features - means.mean(2, keepdim=True), features - means], dim=1)
        return contrast, steps[:, steps.shape[1] - MEMORY_STEPS + 1 :]


def _dft(window_samples: int, bins: int) -> Tensor:
    """Return the kernels of a windowed DFT, (2 bins, 1, window): cosines, then sines.

    Scaled so that a full-scale sine has power 1 in its bin.
    """
    window = torch.hann_window(window_samples, dtype=torch.float64)
    cycles = torch.outer(torch.arange(bins), torch.arange(window_samples)).double() / window_samples
    scaled = window * 2 / window.sum()
    kernels = torch.cat([torch.cos(2 * math.pi * cycles) * scaled, torch.sin(2 * math.pi * cycles) * scaled])
    return kernels.float().unsqueeze(1)
