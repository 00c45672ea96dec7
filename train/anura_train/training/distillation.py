"""What a student learns from teachers: they listen to each of its examples and say what they hear, and when.

The loss is EfficientAT's (Schmid et al. 2023): a tenth of it from the labels, the rest from the teachers. Examples are
mixed anew each time, and teachers hear the mixture itself: a student does best when both have the very same view (Beyer
et al. 2022). Students of one seed are given the same examples, so what was said of one is said again from memory.
"""

from collections.abc import Sequence
from hashlib import sha256

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import resample

from anura_train.models import Net
from anura_train.training.logit_cache import LogitCache
from anura_train.training.losses import topk_pooling

SILENT_FRAME_WEIGHT = 1.0
"""Weight of rows in which no frog was put, beside what teachers say. Without it a student that remembers goes on
hearing what has ended (docs/explanation/default-model.md)."""


class Teachers:
    """Networks that heard nothing of what the student is tested on."""

    def __init__(self, networks: Sequence[Net], example_s: float, memory: LogitCache | None = None) -> None:
        """Let networks, in evaluation mode, listen to examples of a length."""
        self.networks = networks
        self.seconds = max(1, round(example_s))
        self._memory = memory
        self.digest = _digest(networks)
        """What tells these teachers from others: a hash of all that they learnt."""

    def loss(self, logits: Tensor, audio: Tensor, rate_hz: int, calling: Tensor | None = None) -> Tensor:
        """Judge a student's rows (B, rows, labels) by what the teachers hear in the same audio (B, N).

        Where `calling` (B, moments) is 0 there is nothing to hear, whatever they say.
        """
        whole, seconds = self.hear(audio, rate_hz)
        calling = logits.new_ones(len(logits), self.seconds) if calling is None else calling
        heard = torch.sigmoid(whole) * calling.amax(1, keepdim=True)
        loss = F.binary_cross_entropy_with_logits(topk_pooling(logits), heard)
        if seconds is not None:
            heard = torch.sigmoid(seconds) * F.adaptive_max_pool1d(calling, self.seconds).unsqueeze(2)
            loss = (loss + F.binary_cross_entropy_with_logits(logits_per_second(logits, self.seconds), heard)) / 2
        silent = 1 - F.adaptive_max_pool1d(calling, logits.shape[1]).unsqueeze(2)  # (B, rows, 1)
        return loss + SILENT_FRAME_WEIGHT * (silent * F.softplus(logits)).mean()

    def hear(self, audio: Tensor, rate_hz: int) -> tuple[Tensor, Tensor | None]:
        """Return the mean of what they say of examples (B, N) and of each second: logits (B, labels), (B, S, labels).

        None where no teacher says when.
        """
        said = self._recall(self._memory, audio, rate_hz) if self._memory else self._listen(audio, rate_hz)
        return said[:, 0], said[:, 1:] if said.shape[1] > 1 else None

    def _recall(self, memory: LogitCache, audio: Tensor, rate_hz: int) -> Tensor:
        sound = sha256(self.digest.encode() + audio.cpu().numpy().tobytes()).digest()
        said = memory.get(sound)
        if said is None:
            said = self._listen(audio, rate_hz).cpu().numpy()
            memory.put(sound, said)
        return torch.from_numpy(said).to(audio.device)

    @torch.no_grad()
    def _listen(self, audio: Tensor, rate_hz: int) -> Tensor:
        """Return logits of the whole and, where a teacher says when, of each second, (B, 1 or 1 + S, labels)."""
        rows = [_rows(network, audio, rate_hz) for network in self.networks]
        whole = torch.stack([topk_pooling(each) for each in rows]).mean(0).unsqueeze(1)
        timed = [logits_per_second(each, self.seconds) for each in rows if each.shape[1] >= self.seconds]
        return torch.cat([whole, torch.stack(timed).mean(0)], 1) if timed else whole


def logits_per_second(rows: Tensor, seconds: int) -> Tensor:
    """Return the mean logits of each second (B, seconds, labels) of rows (B, rows, labels)."""
    return F.adaptive_avg_pool1d(rows.transpose(1, 2), seconds).transpose(1, 2)


def _rows(network: Net, audio: Tensor, rate_hz: int) -> Tensor:
    heard = audio if network.rate_hz == rate_hz else resample(audio, rate_hz, network.rate_hz)
    return network.frame_logits(network.features(heard)).float()


def _digest(networks: Sequence[Net]) -> str:
    whole = sha256()
    for network in networks:
        for value in network.state_dict().values():
            whole.update(value.cpu().numpy().tobytes())
    return whole.hexdigest()
