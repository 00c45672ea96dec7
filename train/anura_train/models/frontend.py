"""Front ends: they turn a waveform into mel features inside the network, in training and in the ONNX graph."""

import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.compliance import kaldi
from torchaudio.functional import melscale_fbanks

FLOOR = 1e-10
"""Power added before the logarithm: -100 dB of a full-scale sine, slightly below the noise of a quiet recorder in one
band."""

MEAN_DB, STD_DB = -70.0, 20.0
"""Fixed normalisation: mean and standard deviation of the band levels over our training examples, rounded to 5 dB.
They are never computed from a batch or a recording: other sounds must not change how loud a frog is."""


LOW_HZ, HIGH_HZ = 50.0, 10_000.0
"""Range of our own mel bands."""

MEAN_FRAMES = 45
"""Output frames in a running mean: 2 s, longer than most calls and shorter than changes of weather."""


class LogMel(nn.Module):
    """Log-mel features. The DFT with a Hann window is a matrix product, which is fast in every ONNX runtime.

    Frame t covers the `window_samples` samples before (t + 1) * hop and no later ones.

    The DFT uses two symmetries. For the samples n and N - n, the Hann weight and the cosine are equal and the sine has
    the opposite sign. For the bins k and N / 2 - k, cosine and sine are equal or opposite at even n, and the reverse at
    odd n. So the window is folded at its middle, and even and odd samples are processed separately. This needs a
    quarter of the multiplications of a plain DFT.
    """

    cosines_even: Tensor
    cosines_odd: Tensor
    sines_even: Tensor
    sines_odd: Tensor
    bank: Tensor

    def __init__(self, rate_hz: int, hop_samples: int, window_samples: int, mels: int) -> None:
        """Prepare the kernels; ValueError if a window is not an even number of hops."""
        super().__init__()
        if window_samples % (2 * hop_samples):
            raise ValueError(f"a window of {window_samples} samples is not an even number of hops of {hop_samples}")
        self.hop_samples = hop_samples
        self.tail_samples = window_samples - hop_samples
        self.mels = mels
        half = window_samples // 2
        low = torch.arange(half // 2 + 1)
        for parity, first in (("odd", 1), ("even", 2)):
            cosines, sines = _kernels(window_samples, low, torch.arange(first, half + 1, 2))
            self.register_buffer(f"cosines_{parity}", cosines, persistent=False)
            self.register_buffer(f"sines_{parity}", sines, persistent=False)
        bank = melscale_fbanks(half + 1, LOW_HZ, HIGH_HZ, mels, rate_hz, norm=None, mel_scale="htk")
        mirrored = bank[half - low]
        mirrored[half - low == low] = 0  # the bin in the middle is its own mirror image
        self.register_buffer("bank", torch.cat([bank[low], mirrored]), persistent=False)

    def forward(self, audio: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Map audio (B, N), N a multiple of the hop, and the samples before it (B, tail) to features.

        Returns features (B, N / hop, mels) with about zero mean and unit variance, and the next tail.
        """
        audio = torch.cat([tail, audio], dim=1)
        power = self._power(audio).transpose(1, 2) @ self.bank  # (B, frames, mels)
        level_db = torch.log(power + FLOOR) * (10 / math.log(10))
        return (level_db - MEAN_DB) / STD_DB, audio[:, audio.shape[1] - self.tail_samples :]

    def _power(self, audio: Tensor) -> Tensor:
        """Map audio (B, N) to power (B, bins, frames): the low bins, then their mirror images."""
        # (B, hop, frames + hops of the tail)
        hops = audio.reshape(audio.shape[0], -1, self.hop_samples).transpose(1, 2)
        before = self.tail_samples // self.hop_samples
        spans = [hops[:, :, at : at - before or None] for at in range(before + 1)]
        middle = len(spans) // 2
        first = F.pad(torch.cat(spans[:middle], 1)[:, 1:], (0, 0, 0, 1))  # n = 1 to N / 2; at n = 0 the window is 0
        last = torch.cat(spans[middle:], 1).flip(1)  # N - n
        even, odd = first + last, first - last
        real_odd, real_even = self.cosines_odd @ even[:, ::2], self.cosines_even @ even[:, 1::2]
        imaginary_odd, imaginary_even = self.sines_odd @ odd[:, ::2], self.sines_even @ odd[:, 1::2]
        low = (real_even + real_odd).square() + (imaginary_even + imaginary_odd).square()
        high = (real_even - real_odd).square() + (imaginary_even - imaginary_odd).square()
        return torch.cat([low, high], 1)

    def silence(self, batch: int) -> Tensor:
        """Return the tail at the start of a stream, (B, tail)."""
        return self.bank.new_zeros(batch, self.tail_samples)


class RunningMeanSubtraction(nn.Module):
    """Subtracts running means of 2 s from the features: once the mean of all bands, once the mean of each band.

    The first removes gain and distance, the second also the recorder's frequency response and steady noise. Both are
    causal: a mean covers the current output frame and earlier ones, at the start of a stream fewer.
    """

    channels = 2

    def __init__(self, frames: int, mels: int) -> None:
        """Prepare for output frames of `frames` feature frames each."""
        super().__init__()
        self.frames = frames
        self.state_shape = (MEAN_FRAMES - 1, mels + 1)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map features (B, T, M) and the state to (B, 2, T, M) and the next state."""
        steps = F.avg_pool1d(features.transpose(1, 2), self.frames).transpose(1, 2)  # (B, T / frames, M)
        counted = torch.cat([steps, torch.ones_like(steps[:, :, :1])], dim=2)  # (B, T / frames, M + 1)
        steps = torch.cat([state, counted], dim=1)
        # Before the start of a stream the sums and the counts are zero, so these frames have no weight.
        sums = F.avg_pool1d(steps.transpose(1, 2), MEAN_FRAMES, stride=1).transpose(1, 2)
        means = (sums[:, :, :-1] / sums[:, :, -1:]).unsqueeze(2).expand(-1, -1, self.frames, -1)
        means = means.flatten(1, 2)  # (B, T, M)
        subtracted = torch.stack([features - means.mean(2, keepdim=True), features - means], dim=1)
        return subtracted, steps[:, steps.shape[1] - MEAN_FRAMES + 1 :]


class WindowLogMel(LogMel):
    """LogMel of separate windows; each is preceded by silence."""

    def forward(self, audio: Tensor) -> Tensor:  # type: ignore[override]  # a window has no state
        """Map audio (B, N) to features (B, N / hop, mels)."""
        return super().forward(audio, self.silence(audio.shape[0]))[0]


class MelSpectrogramDb(nn.Module):
    """Mel spectrogram in decibels, equal to torchaudio's MelSpectrogram and AmplitudeToDB but exportable.

    `bank_rate_hz` is the sampling rate that the mel filter bank is built for, normally the audio's. AnuraSet's
    published baseline uses torchaudio's default of 16 kHz, so each of its bands is 1.38 times higher than stated.
    """

    dft: Tensor
    bank: Tensor

    def __init__(
        self, window_samples: int, hop_samples: int, mels: int, bank_rate_hz: int, mean_db: float, std_db: float
    ) -> None:
        super().__init__()
        self.window_samples, self.hop_samples, self.mels = window_samples, hop_samples, mels
        self.mean_db, self.std_db = mean_db, std_db
        bins = window_samples // 2 + 1
        # torchaudio does not divide by the sum of the window.
        scale = torch.hann_window(window_samples).sum() / 2
        self.register_buffer("dft", _dft(window_samples, bins) * scale, persistent=False)
        with warnings.catch_warnings():
            # The published 128 bands over 257 bins leave some low bands empty; a repetition has the same.
            warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
            bank = melscale_fbanks(bins, 0.0, bank_rate_hz / 2, mels, bank_rate_hz, norm=None, mel_scale="htk")
        self.register_buffer("bank", bank, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, N) to features (B, 1 + N / hop, mels); frame t is centred on sample t * hop."""
        half = self.window_samples // 2
        audio = F.pad(audio.unsqueeze(1), (half, half), mode="reflect")  # (B, 1, N + window)
        power = _power(F.conv1d(audio, self.dft, stride=self.hop_samples)) @ self.bank
        level_db = 10 / math.log(10) * torch.log(power.clamp_min(1e-10))
        return (level_db - self.mean_db) / self.std_db


class Fbank(nn.Module):
    """Kaldi's log-mel filter bank as AST was trained on it: 16 kHz, 25 ms frames each 10 ms, 128 bands from 20 Hz.

    Kaldi subtracts the mean of each frame, applies pre-emphasis and a window (Povey et al. 2011). All three are linear,
    so they are part of the DFT kernels here. AST then subtracts a mean and divides by two standard deviations (Gong et
    al. 2021).
    """

    RATE_HZ, FRAME_SAMPLES, HOP_SAMPLES, PADDED_SAMPLES = 16_000, 400, 160, 512
    EMPHASIS, FLOOR = 0.97, torch.finfo(torch.float32).eps

    dft: Tensor
    bank: Tensor

    def __init__(self, mels: int, mean: float, std: float) -> None:
        super().__init__()
        self.mels, self.mean, self.std = mels, mean, std
        self.register_buffer("dft", self._kernels(), persistent=False)
        bank, _ = kaldi.get_mel_banks(mels, self.PADDED_SAMPLES, self.RATE_HZ, 20.0, 0.0, 100.0, -500.0, 1.0)
        self.register_buffer("bank", F.pad(bank, (0, 1)).T.contiguous(), persistent=False)  # (bins, mels)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, N) to features (B, frames, mels); only complete frames, 298 in 3 s."""
        spectrum = F.conv1d(audio.unsqueeze(1), self.dft, stride=self.HOP_SAMPLES)  # (B, 2 * bins, frames)
        levels = torch.log((_power(spectrum) @ self.bank).clamp_min(self.FLOOR))
        return (levels - self.mean) / (2 * self.std)

    def _kernels(self) -> Tensor:
        frame = torch.eye(self.FRAME_SAMPLES, dtype=torch.float64)
        level = frame - 1 / self.FRAME_SAMPLES
        before = torch.cat([level[:1], level[:-1]])
        window = torch.hann_window(self.FRAME_SAMPLES, periodic=False, dtype=torch.float64)
        prepared = window[:, None] * (level - self.EMPHASIS * before)
        spectrum = torch.fft.rfft(prepared, self.PADDED_SAMPLES, dim=0)  # (bins, frame)
        return torch.cat([spectrum.real, spectrum.imag]).float().unsqueeze(1)


def _power(spectrum: Tensor) -> Tensor:
    """Map real and imaginary parts (B, 2 * bins, frames), all real parts first, to power (B, frames, bins)."""
    real, imaginary = spectrum.chunk(2, dim=1)
    return (real.square() + imaginary.square()).transpose(1, 2)


def _kernels(window_samples: int, bins: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cosines and sines of a windowed DFT at the given bins and samples, (bins, samples) each.

    Scaled so that a full-scale sine has power 1 in its bin.
    """
    window = torch.hann_window(window_samples, dtype=torch.float64)
    scaled = (window * 2 / window.sum())[samples]
    angles = torch.outer(bins, samples).double() * (2 * math.pi / window_samples)
    return (torch.cos(angles) * scaled).float(), (torch.sin(angles) * scaled).float()


def _dft(window_samples: int, bins: int) -> Tensor:
    """Return the kernels of a windowed DFT, (2 * bins, 1, window): cosines, then sines.

    Scaled so that a full-scale sine has power 1 in its bin.
    """
    window = torch.hann_window(window_samples, dtype=torch.float64)
    cycles = torch.outer(torch.arange(bins), torch.arange(window_samples)).double() / window_samples
    scaled = window * 2 / window.sum()
    kernels = torch.cat([torch.cos(2 * math.pi * cycles) * scaled, torch.sin(2 * math.pi * cycles) * scaled])
    return kernels.float().unsqueeze(1)
