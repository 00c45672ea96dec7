"""The interface of all window models: three seconds of audio to one frame of scores."""

from typing import Protocol

import torch
from torch import Tensor, nn

from anura_train.models.calibration import Calibration

WINDOW_S, HOP_S = 3, 1
"""AnuraSet's window (Cañas et al. 2023)."""


class Body(Protocol):
    """The network between the features and the logits."""

    def __call__(self, features: Tensor) -> Tensor:
        """Return logits (B, frames, labels) of features (B, T, M). A window's logit is the maximum over its frames."""


class WindowNet(nn.Module):
    """A front end, which maps a waveform to features (B, T, M), and a body, which maps these to logits."""

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
        """Return logits (B, frames, labels) of features (B, T, M)."""
        logits: Tensor = self.body(features)
        return logits

    def predict(self, audio: Tensor) -> Tensor:
        """Return calibrated logits (windows, labels) of a recording (N,): a window each second, padded at the end."""
        missing = max(self.window_samples - len(audio), -(len(audio) - self.window_samples) % self.hop_samples)
        windows = nn.functional.pad(audio, (0, missing)).unfold(0, self.window_samples, self.hop_samples)
        return self._window_logits(windows)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, 3 s) to probabilities (B, labels)."""
        return torch.sigmoid(self._window_logits(audio))

    def _window_logits(self, windows: Tensor) -> Tensor:
        logits: Tensor = self.calibration(self.frame_logits(self.features(windows)).amax(1))
        return logits
