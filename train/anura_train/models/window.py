"""The interface of all window models: three seconds of audio to one frame of scores."""

from typing import Protocol

import torch
from torch import Tensor, nn

from anura_edge.inference.averaging import average_frames
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

    def __init__(
        self, front_end: nn.Module, body: nn.Module, rate_hz: int, averaged_frames: int = 1, hop_s: int = HOP_S
    ) -> None:
        """Take an odd number of windows whose mean is a score, and the distance between two windows."""
        super().__init__()
        self.rate_hz = rate_hz
        self.hop_samples, self.window_samples = hop_s * rate_hz, WINDOW_S * rate_hz
        self.averaged_frames = averaged_frames
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
        """Return calibrated logits (windows, labels) of a recording (N,): padded at the end.

        The probability of each is the mean of `averaged_frames` adjacent windows.
        """
        return averaged_logits(self.window_logits(audio), self.averaged_frames)

    def window_logits(self, audio: Tensor) -> Tensor:
        """Return calibrated logits (windows, labels) of a recording (N,) before they are averaged."""
        return self._logits(unfold_windows(audio, self.rate_hz, self.hop_samples))

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, 3 s) to probabilities (B, labels)."""
        return torch.sigmoid(self._logits(audio))

    def _logits(self, windows: Tensor) -> Tensor:
        logits: Tensor = self.calibration(self.frame_logits(self.features(windows)).amax(1))
        return logits


def unfold_windows(audio: Tensor, rate_hz: int, hop: int | None = None) -> Tensor:
    """Return the windows (windows, 3 s) of a recording (N,), padded with zeros at the end.

    `hop` is the number of samples between their starts; by default that of one second.
    """
    window, hop = WINDOW_S * rate_hz, hop or HOP_S * rate_hz
    missing = max(window - len(audio), -(len(audio) - window) % hop)
    return nn.functional.pad(audio, (0, missing)).unfold(0, window, hop)


def averaged_logits(logits: Tensor, frames: int) -> Tensor:
    """Return the logits (N, labels) of the mean probability of each frame and its neighbours, as a device averages."""
    if frames == 1:
        return logits
    averaged = average_frames(torch.sigmoid(logits.double()).cpu().numpy(), frames)
    return torch.logit(torch.from_numpy(averaged), eps=1e-9).to(logits)
