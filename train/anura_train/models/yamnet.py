"""YAMNet: MobileNetV1 (Howard et al. 2017) as Google trained it on AudioSet (Gemmeke et al. 2017), with our labels.

With its published weights it is fine-tuned; without them it is a MobileNetV1 trained from scratch. It takes our
sampling rate instead of 16 kHz. Its bands end at 7.5 kHz, so they contain everything that it was trained on.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anura_edge.errors import ModelError
from anura_train.models.tflite import read_tflite
from anura_train.models.weights import load_weights

TRAINED_RATE_HZ, LOW_HZ, HIGH_HZ, MELS = 16_000, 125.0, 7_500.0, 64
LOG_OFFSET = 0.001
FRAME_S, HOP_S, BIN_HZ = 0.025, 0.010, TRAINED_RATE_HZ / 512
"""YAMNet's own front end (`params.py` of tensorflow/models/research/audioset/yamnet)."""

LEVEL_RMS = 0.1
"""Level that each window is scaled to, -20 dBFS: the sounds of AudioSet are much louder than field recordings."""

MIN_RMS = 1e-4
"""Lower limit for the measured level, so that silence is not scaled up without limit."""

WIDTHS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
STRIDED = (2, 4, 6, 12)
"""Layers, counted from 1, that halve time and frequency, as the first convolution does: an output frame is 32 feature
frames."""

AVERAGE_FRAMES = 3
"""Output frames in the mean that a score is: one second."""


class YamnetMel(nn.Module):
    """Log-mel magnitudes as YAMNet was trained on them, of windows that are scaled to one level."""

    dft: Tensor
    bank: Tensor

    def __init__(self, rate_hz: int) -> None:
        super().__init__()
        self.hop_samples, self.mels = int(HOP_S * rate_hz), MELS
        bins_hz = torch.arange(math.ceil(HIGH_HZ / BIN_HZ), dtype=torch.float64) * BIN_HZ
        window = torch.hann_window(round(FRAME_S * rate_hz), dtype=torch.float64)
        angles = torch.outer(bins_hz, torch.arange(len(window)) / rate_hz) * (2 * math.pi)
        # The magnitude of a spectrum is proportional to the number of samples in a frame.
        kernels = torch.cat([torch.cos(angles), torch.sin(angles)]) * window * (TRAINED_RATE_HZ / rate_hz)
        self.register_buffer("dft", kernels.float().unsqueeze(1), persistent=False)  # (2 bins, 1, window)
        self.register_buffer("bank", _bank(bins_hz).float(), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, N) to features (B, frames, mels); only complete frames."""
        rms = audio.square().mean(1, keepdim=True).sqrt()
        audio = audio * (LEVEL_RMS / rms.clamp_min(MIN_RMS))
        real, imaginary = F.conv1d(audio.unsqueeze(1), self.dft, stride=self.hop_samples).chunk(2, dim=1)
        magnitude = (real.square() + imaginary.square()).clamp_min(1e-12).sqrt().transpose(1, 2)
        return torch.log(magnitude @ self.bank + LOG_OFFSET)


class _Convolution(nn.Module):
    """A convolution with TensorFlow's padding: the odd sample is added at the end. Batch normalisation is folded in."""

    def __init__(
        self, channels_in: int, channels_out: int, *, kernel: int = 3, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, T, M) to (B, C', T / stride, M / stride), both rounded up."""
        pads: list[int] = []
        for size in (image.shape[3], image.shape[2]):
            missing = max((-(-size // self.stride) - 1) * self.stride + self.kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return torch.relu(self.conv(F.pad(image, pads)))


class Yamnet(nn.Module):
    """Thirteen separable convolutions and a linear layer; one output frame for each third of a second."""

    def __init__(self, labels: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = [_Convolution(1, 32, stride=2)]
        before = 32
        for number, width in enumerate(WIDTHS, 1):
            layers.append(_Convolution(before, before, stride=2 if number in STRIDED else 1, groups=before))
            layers.append(_Convolution(before, width, kernel=1))
            before = width
        # Depthwise convolutions are twice as fast on a CPU with channels_last memory.
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(before, labels)
        nn.init.constant_(self.head.bias, -3.0)

    def embeddings(self, features: Tensor) -> Tensor:
        """Return the embeddings (B, T / 32, 1024) of features (B, T, M)."""
        maps: Tensor = self.layers(features.unsqueeze(1))  # (B, 1024, T / 32, M / 32)
        return maps.mean(3).transpose(1, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, frames, labels) of features (B, T, M); each frame is a mean over one second."""
        frames = self.embeddings(features).transpose(1, 2)
        seconds = F.avg_pool1d(frames, min(AVERAGE_FRAMES, frames.shape[2]), stride=1).transpose(1, 2)
        logits: Tensor = self.head(self.dropout(seconds))
        return logits

    def load_pretrained(self, path: Path) -> None:
        """Load the weights of Google's `yamnet.tflite`; ModelError for another file."""
        load_weights(self, _read(path), path, untrained=["head"])


def _bank(bins_hz: Tensor) -> Tensor:
    """Return the mel filter bank (bins, mels): triangles on the mel scale, as in TensorFlow, not on the hertz scale."""
    mel = _mel(bins_hz)
    ends = _mel(torch.tensor([LOW_HZ, HIGH_HZ]))
    edges = torch.linspace(float(ends[0]), float(ends[1]), MELS + 2, dtype=torch.float64)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (mel[:, None] - low) / (middle - low)
    falling = (high - mel[:, None]) / (high - middle)
    return torch.minimum(rising, falling).clamp_min(0)


def _mel(hz: Tensor) -> Tensor:
    return 1127 * torch.log1p(hz.double() / 700)


def _read(path: Path) -> dict[str, Tensor]:
    """Read the weights of the convolutions, under our names. The file has them in the order of the layers."""
    weights: dict[str, Tensor] = {}
    try:
        for number, (kernel, bias) in enumerate(read_tflite(path).convolutions()):
            weights[f"layers.{number}.conv.weight"] = kernel
            weights[f"layers.{number}.conv.bias"] = bias
    except (ModelError, ValueError) as error:
        raise ModelError(f"cannot read pretrained weights from {path}: {error}; name Google's yamnet.tflite") from error
    return weights
