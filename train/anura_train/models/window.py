"""The frame that all window models share: three seconds of sound in, one row of scores out."""

from typing import Protocol

import torch
from torch import Tensor, nn

from anura_train.models.calibration import Calibration

WINDOW_S, HOP_S = 3, 1
"""AnuraSet's window (Cañas et al. 2023)."""


class Body(Protocol):
    """What lies between features and logits."""

    def __call__(self, features: Tensor) -> Tensor:
        """Return logits (B, rows, labels) of features (B, T, M); a species is there when it is in any row."""


class WindowNet(nn.Module):
    """A front end, which turns a waveform into features (B, T, M), and a body, which turns those into logits."""

    lookahead_samples = 0

    def __init__(self, front_end: nn.Module, body: nn.Module, rate_hz: int) -> None:
        super().__init__()
        self.rate_hz = rate_hz
        self.hop_samples, self.window_samples = HOP_S * rate_hz, WINDOW_S * rate_hz
        self.front_end = front_end
        self.body = body
        self.calibration = Calibration()

    def features(self, audio: Tensor) -> Tensor:
        """Return the features (B, T, M) of audio (B, N)."""
        features: Tensor = self.front_end(audio)
        return features

    def frame_logits(self, features: Tensor) -> Tensor:
        """Return logits (B, rows, labels) of features (B, T, M)."""
        logits: Tensor = self.body(features)
        return logits

    def predict(self, audio: Tensor) -> Tensor:
        """Return logits (windows, labels) of a recording (N,), a window a second, the last filled with silence."""
        missing = max(self.window_samples - len(audio), -(len(audio) - self.window_samples) % self.hop_samples)
        windows = nn.functional.pad(audio, (0, missing)).unfold(0, self.window_samples, self.hop_samples)
        return self._scores(windows)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, 3 s) to probabilities (B, labels)."""
        return torch.sigmoid(self._scores(audio))

    def _scores(self, windows: Tensor) -> Tensor:
        logits: Tensor = self.calibration(self.frame_logits(self.features(windows)).amax(1))
        return logits
