"""The stream model: a network that carries its states from chunk to chunk and computes each frame once.

Its layers are causal. A mean over two seconds follows; a score describes the middle of them, so it is one second late.
Causal convolutions and a one-directional GRU, with ReLU, batch normalisation (folded at export) and a fixed
normalisation of the input. It has no squeeze-and-excitation and no normalisation over a recording: both would need
future samples.
"""

import torch
from torch import Tensor, nn

from anura_train.models.calibration import Calibration
from anura_train.models.frontend import LogMel, RunningMeanSubtraction
from anura_train.models.settings import RATE_HZ

FEATURE_HOP_SAMPLES = 245
"""90 feature frames a second, enough to resolve trills of up to 45 pulses a second."""

FEATURE_WINDOW_SAMPLES, MELS = 490, 64
TIME_STRIDE = 4
FRAME_SAMPLES = FEATURE_HOP_SAMPLES * TIME_STRIDE
"""Samples of one frame of scores: 44 ms."""

AVERAGE_FRAMES = 44
"""Frames whose mean logit gives a score: two seconds."""

LOOKAHEAD_FRAMES = AVERAGE_FRAMES // 2
"""A score describes the middle of these frames: half of them are earlier, and half are later."""

SILENCE_LOGIT = -8.0
"""Logit that stands for silence before the start of a stream."""

States = tuple[Tensor, ...]


class CausalConv(nn.Module):
    """A 2-D convolution over (time, mel) that uses no future frame. Its state is the last input frames."""

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

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, T, M) and the state to (B, C', T / stride, M / stride) and the next state."""
        features = torch.cat([state, features], dim=2)
        output = torch.relu(self.normalisation(self.convolution(features)))
        return output, features[:, :, features.shape[2] - state.shape[2] :]


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, causal in time: MobileNet's block (Howard et al. 2017)."""

    def __init__(self, channels_in: int, channels_out: int, mels: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.depthwise = CausalConv(channels_in, channels_in, mels, stride=stride, groups=channels_in)
        self.pointwise = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
        )
        self.state_shape = self.depthwise.state_shape

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map and carry the state as CausalConv does."""
        features, state = self.depthwise(features, state)
        return self.pointwise(features), state


class TemporalAverage(nn.Module):
    """The mean of the logits over two seconds, which suppresses single high frames.

    Out of fold a mean over one second raised mean average precision from 0.41 to 0.49, and a second more raised it
    again in each of three trainings (docs/decisions/0020-scores-are-centred-in-their-average.md).
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.state_shape = (AVERAGE_FRAMES - 1, labels)

    def forward(self, logits: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map logits (B, T, labels) and the state to running means of the same shape and the next state."""
        # The initial state is zeros. Relative to SILENCE_LOGIT, zero means silence.
        shifted = torch.cat([state, logits - SILENCE_LOGIT], dim=1)
        means = nn.functional.avg_pool1d(shifted.transpose(1, 2), AVERAGE_FRAMES, stride=1).transpose(1, 2)
        return means + SILENCE_LOGIT, shifted[:, shifted.shape[1] - AVERAGE_FRAMES + 1 :]


class StreamNet(nn.Module):
    """Maps a waveform and states to one frame of scores for each 44 ms and new states."""

    rate_hz = RATE_HZ
    hop_samples = FRAME_SAMPLES
    window_samples = FRAME_SAMPLES
    lookahead_samples = LOOKAHEAD_FRAMES * FRAME_SAMPLES

    def __init__(self, labels: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.front_end = LogMel(RATE_HZ, FEATURE_HOP_SAMPLES, FEATURE_WINDOW_SAMPLES, MELS)
        self.running_mean = RunningMeanSubtraction(TIME_STRIDE, MELS)
        self.layers = nn.ModuleList(
            [
                CausalConv(self.running_mean.channels, width, MELS, stride=(2, 2)),
                Separable(width, 2 * width, MELS // 2, stride=(2, 2)),
                Separable(2 * width, 2 * width, MELS // 4, stride=(1, 1)),
                Separable(2 * width, 4 * width, MELS // 4, stride=(1, 2)),
                Separable(4 * width, 4 * width, MELS // 8, stride=(1, 2)),
            ]
        )
        # The pattern over mel bands separates species, so the bands are concatenated here, not averaged.
        self.projection = nn.Sequential(nn.Linear(4 * width * MELS // 16, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, labels)
        # Most species are absent most of the time, so the first scores are low.
        nn.init.constant_(self.head.bias, -3.0)
        self.average = TemporalAverage(labels)
        self.calibration = Calibration()

    @property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes, without the batch dimension, of the states that are carried from chunk to chunk."""
        return {
            "tail": (self.front_end.tail_samples,),
            "running_mean": self.running_mean.state_shape,
            **{f"layer_{index}": layer.state_shape for index, layer in enumerate(self.layers)},  # type: ignore[misc]
            "gru": (self.gru.hidden_size,),
            "average": self.average.state_shape,
        }

    def initial_state(self, batch: int) -> States:
        """Return the states at the start of a stream: zeros, which every layer treats as silence."""
        weight = self.head.weight
        return tuple(weight.new_zeros(batch, *shape) for shape in self.state_shapes.values())

    def features(self, audio: Tensor) -> Tensor:
        """Return the features (B, T, M) of audio (B, N) after silence; the last frame is padded with silence."""
        audio = nn.functional.pad(audio, (0, -audio.shape[1] % self.hop_samples))
        features: Tensor = self.front_end(audio, self.front_end.silence(audio.shape[0]))[0]
        return features

    def logits(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        """Map features (B, T, M), T a multiple of 4, and states to logits (B, T / 4, labels) and new states."""
        mean_state, *layer_states, gru_state = states
        hidden, mean_state = self.running_mean(features, mean_state)  # (B, 2, T, M)
        next_states = [mean_state]
        for layer, layer_state in zip(self.layers, layer_states, strict=True):
            hidden, layer_state = layer(hidden, layer_state)
            next_states.append(layer_state)
        frames = self.projection(hidden.transpose(1, 2).flatten(2))  # (B, T / 4, hidden)
        frames, gru_state = self.gru(frames, gru_state.unsqueeze(0))
        return self.head(self.dropout(frames)), (*next_states, gru_state.squeeze(0))

    def frame_logits(self, features: Tensor) -> Tensor:
        """Return logits (B, frames, labels) of features (B, T, M) at the start of a stream."""
        return self.logits(features, self.initial_state(features.shape[0])[1:-1])[0]

    def predict(self, audio: Tensor) -> Tensor:
        """Return calibrated logits (frames, labels) of a whole recording (N,)."""
        silence = -len(audio) % self.hop_samples + self.lookahead_samples
        logits = self.frame_logits(self.features(nn.functional.pad(audio, (0, silence)).unsqueeze(0)))
        frames: Tensor = self.calibration(self.average(logits, self.initial_state(1)[-1])[0])
        return frames[0, LOOKAHEAD_FRAMES:]

    def forward(self, audio: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Map audio (B, N), N a multiple of 980, and states to probabilities (B, N / 980, labels) and new states."""
        tail, *between, average_state = states
        features, tail = self.front_end(audio, tail)
        logits, between_out = self.logits(features, tuple(between))
        means, average_state = self.average(logits, average_state)
        return torch.sigmoid(self.calibration(means)), tail, *between_out, average_state
