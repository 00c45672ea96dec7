"""The streaming student: every moment is heard once, and nothing ahead of it is needed.

Causal convolutions and a one-directional GRU, ReLU, batch normalisation (folded at export), fixed input normalisation;
no squeeze-excite and no normalisation over a recording, which would look ahead. About the size of a photograph.
"""

import torch
from torch import Tensor, nn

from anura_train.models.calibration import Calibration
from anura_train.models.frontend import LogMel, RunningMeanSubtraction
from anura_train.models.settings import RATE_HZ

FEATURE_HOP_SAMPLES = 245
"""90 frames a second: trills of up to 45 pulses a second stay visible."""

FEATURE_WINDOW_SAMPLES, MELS = 490, 64
TIME_STRIDE = 4
FRAME_SAMPLES = FEATURE_HOP_SAMPLES * TIME_STRIDE
"""One row of scores: 44 ms."""

AVERAGE_FRAMES = 44
"""Steps that a score is the mean of: two seconds."""

LOOKAHEAD_FRAMES = AVERAGE_FRAMES // 2
"""A score speaks about the middle of them: half of them it has heard before, and half after."""

SILENCE_LOGIT = -8.0

States = tuple[Tensor, ...]


class CausalConv(nn.Module):
    """A 2-D convolution over (time, mel) that sees only the past; what it needs of it is its state."""

    def __init__(
        self, channels_in: int, channels_out: int, mels: int, *, stride: tuple[int, int], groups: int = 1
    ) -> None:
        super().__init__()
        kernel = 3
        self.convolution = nn.Conv2d(
            channels_in, channels_out, kernel, stride, padding=(0, 1), groups=groups, bias=False
        )
        self.normalisation = nn.BatchNorm2d(channels_out)
        self.state_shape = (channels_in, kernel - stride[0], mels)

    def forward(self, features: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, T, M) and the frames before it to (B, C', T / stride, M / stride) and the next state."""
        features = torch.cat([past, features], dim=2)
        heard = torch.relu(self.normalisation(self.convolution(features)))
        return heard, features[:, :, features.shape[2] - past.shape[2] :]


class Separable(nn.Module):
    """Depthwise then pointwise: MobileNet's block (Howard et al. 2017), causal in time."""

    def __init__(self, channels_in: int, channels_out: int, mels: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.depthwise = CausalConv(channels_in, channels_in, mels, stride=stride, groups=channels_in)
        self.pointwise = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
        )
        self.state_shape = self.depthwise.state_shape

    def forward(self, features: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """As CausalConv."""
        heard, past = self.depthwise(features, past)
        return self.pointwise(heard), past


class TemporalAverage(nn.Module):
    """The mean logit of two seconds, so that what is heard must last and a flicker is not a frog.

    Out of fold the mean of one second raised mean average precision from 0.41 to 0.49, and a second more raised it in
    each of three trainings (docs/decisions/0020-scores-are-centred-in-their-average.md).
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.state_shape = (AVERAGE_FRAMES - 1, labels)

    def forward(self, logits: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Map logits (B, T, labels) and those before them to their running means and the next state."""
        # The state of a stream that has just begun is zeros, which stands for logits that mean silence.
        heard = torch.cat([past, logits - SILENCE_LOGIT], dim=1)
        means = nn.functional.avg_pool1d(heard.transpose(1, 2), AVERAGE_FRAMES, stride=1).transpose(1, 2)
        return means + SILENCE_LOGIT, heard[:, heard.shape[1] - AVERAGE_FRAMES + 1 :]


class StreamNet(nn.Module):
    """Waveform and states in, one row of scores for each 44 ms and new states out."""

    rate_hz = RATE_HZ
    hop_samples = FRAME_SAMPLES
    window_samples = FRAME_SAMPLES
    lookahead_samples = LOOKAHEAD_FRAMES * FRAME_SAMPLES

    def __init__(self, labels: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.front_end = LogMel(RATE_HZ, FEATURE_HOP_SAMPLES, FEATURE_WINDOW_SAMPLES, MELS)
        self.contrast = RunningMeanSubtraction(TIME_STRIDE, MELS)
        self.layers = nn.ModuleList(
            [
                CausalConv(self.contrast.channels, width, MELS, stride=(2, 2)),
                Separable(width, 2 * width, MELS // 2, stride=(2, 2)),
                Separable(2 * width, 2 * width, MELS // 4, stride=(1, 1)),
                Separable(2 * width, 4 * width, MELS // 4, stride=(1, 2)),
                Separable(4 * width, 4 * width, MELS // 8, stride=(1, 2)),
            ]
        )
        # Which bands sound together tells species apart, so bands are kept apart up to here, not averaged.
        self.bands = nn.Sequential(nn.Linear(4 * width * MELS // 16, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.memory = nn.GRU(hidden, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, labels)
        # Begin by expecting silence: most species are absent most of the time.
        nn.init.constant_(self.head.bias, -3.0)
        self.confirmation = TemporalAverage(labels)
        self.calibration = Calibration()

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes, without the batch, of what is carried from one chunk to the next."""
        shapes: dict[str, tuple[int, ...]] = {"tail": (self.front_end.tail_samples,)}
        shapes["contrast"] = self.contrast.state_shape
        shapes |= {f"past_{index}": layer.state_shape for index, layer in enumerate(self.layers)}  # type: ignore[misc]
        return shapes | {"memory": (self.memory.hidden_size,), "confirmation": self.confirmation.state_shape}

    def initial_state(self, batch: int) -> States:
        """Return the states of a stream that has just begun: zeros, the same as zeros before every layer."""
        weight = self.head.weight
        return tuple(weight.new_zeros(batch, *shape) for shape in self.state_shapes.values())

    def features(self, audio: Tensor) -> Tensor:
        """Return the features (B, T, M) of audio (B, N) that begins in silence, the last step filled up with it."""
        audio = nn.functional.pad(audio, (0, -audio.shape[1] % self.hop_samples))
        features: Tensor = self.front_end(audio, self.front_end.silence(audio.shape[0]))[0]
        return features

    def logits(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        """Map features (B, T, M), T a multiple of 4, and the states between to logits (B, T / 4, labels)."""
        before, *pasts, memory = states
        heard, before = self.contrast(features, before)  # (B, 2, T, M)
        nexts = [before]
        for layer, past in zip(self.layers, pasts, strict=True):
            heard, past = layer(heard, past)
            nexts.append(past)
        rows = self.bands(heard.transpose(1, 2).flatten(2))  # (B, T / 4, hidden)
        rows, memory = self.memory(rows, memory.unsqueeze(0))
        return self.head(self.dropout(rows)), (*nexts, memory.squeeze(0))

    def frame_logits(self, features: Tensor) -> Tensor:
        """Return logits (B, rows, labels) of features (B, T, M) that begin a stream."""
        return self.logits(features, self.initial_state(features.shape[0])[1:-1])[0]

    def predict(self, audio: Tensor) -> Tensor:
        """Return logits (rows, labels) of a whole recording (N,)."""
        silence = -len(audio) % self.hop_samples + self.lookahead_samples
        logits = self.frame_logits(self.features(nn.functional.pad(audio, (0, silence)).unsqueeze(0)))
        rows: Tensor = self.calibration(self.confirmation(logits, self.initial_state(1)[-1])[0])
        return rows[0, LOOKAHEAD_FRAMES:]

    def forward(self, audio: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Map audio (B, N), N a multiple of 980, and states to probabilities (B, N / 980, labels) and new states."""
        tail, *between, past = states
        features, tail = self.front_end(audio, tail)
        logits, between_out = self.logits(features, tuple(between))
        confirmed, past = self.confirmation(logits, past)
        return torch.sigmoid(self.calibration(confirmed)), tail, *between_out, past
