"""The window model: ResNet18 (He et al. 2016) over three seconds of log-mel features. The baseline of the field."""

import timm
import torch
from torch import Tensor, nn

from anura_train.data import RATE_HZ
from anura_train.frontend import LogMel
from anura_train.models.calibration import Calibration

WINDOW_SAMPLES, HOP_SAMPLES = 66_150, 22_050
"""AnuraSet's window: 3 s, each second."""

FEATURE_HOP_SAMPLES, FEATURE_WINDOW_SAMPLES, MELS = 441, 882, 64
"""150 frames of 64 bands: a quarter of the usual picture, so that two cores can train it."""


class WindowNet(nn.Module):
    """Waveform of one window in, one row of scores out."""

    rate_hz = RATE_HZ
    step_samples = HOP_SAMPLES
    span_samples = WINDOW_SAMPLES

    def __init__(self, labels: int, dropout: float) -> None:
        super().__init__()
        self.front_end = LogMel(RATE_HZ, FEATURE_HOP_SAMPLES, FEATURE_WINDOW_SAMPLES, MELS)
        # Two pictures of the same sound, against its level and against each band's, as in frontend.Contrast.
        self.body = timm.create_model("resnet18", pretrained=False, in_chans=2, num_classes=labels, drop_rate=dropout)
        self.calibration = Calibration()

    def features(self, audio: Tensor) -> Tensor:
        """Return the features (B, T, M) of audio (B, N)."""
        features: Tensor = self.front_end(audio, self.front_end.silence(audio.shape[0]))[0]
        return features

    def learn(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of features (B, T, M)."""
        # A whole window is at hand, so its own mean takes the place of the stream's running one.
        level, bands = features.mean((1, 2), keepdim=True), features.mean(1, keepdim=True)
        logits: Tensor = self.body(torch.stack([features - level, features - bands], dim=1))
        return logits.unsqueeze(1)

    def rows(self, audio: Tensor) -> Tensor:
        """Return logits (windows, labels) of a recording (N,), a window a second, the last filled with silence."""
        missing = max(WINDOW_SAMPLES - len(audio), -(len(audio) - WINDOW_SAMPLES) % HOP_SAMPLES)
        windows = nn.functional.pad(audio, (0, missing)).unfold(0, WINDOW_SAMPLES, HOP_SAMPLES)
        return self._scores(windows)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, 66150) to probabilities (B, labels)."""
        return torch.sigmoid(self._scores(audio))

    def _scores(self, windows: Tensor) -> Tensor:
        logits: Tensor = self.calibration(self.learn(self.features(windows))[:, 0])
        return logits
