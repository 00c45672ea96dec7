"""Distillation: a student learns the scores of teachers, of whole examples and of each second.

The loss is that of EfficientAT (Schmid et al. 2023): one tenth from the labels, the rest from the teachers. Each
example is a new mixture, and the teachers score that mixture: a student learns best when both have the same input
(Beyer et al. 2022). Students with the same seed get the same examples, so the teachers' logits are cached.
"""

from collections.abc import Sequence
from hashlib import sha256

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import resample

from anura_train.checkpoints.array_cache import ArrayCache
from anura_train.models import Net
from anura_train.training.losses import topk_pooling

SILENT_FRAME_WEIGHT = 1.0
"""Weight of the frames without a frog in the mixture, relative to the teachers' loss. Without it, a stream model still
detects a call after its end (docs/explanation/stream-model.md)."""


class Teachers:
    """Trained networks that were not trained on the recordings that the student is tested on."""

    def __init__(self, networks: Sequence[Net], example_s: float, cache: ArrayCache | None = None) -> None:
        """Take networks in evaluation mode, and the length of the examples."""
        self.networks = networks
        self.seconds = max(1, round(example_s))
        self._cache = cache
        self.digest = _digest(networks)
        """Hash of all weights. It identifies the teachers."""

    def loss(self, logits: Tensor, audio: Tensor, rate_hz: int, call_mask: Tensor | None = None) -> Tensor:
        """Compare the logits of a student, (B, frames, labels), with those of the teachers for the same audio (B, N).

        Where `call_mask` (B, moments) is 0, no frog is in the mixture: the target is 0 for any teacher scores.
        """
        call_mask = logits.new_ones(len(logits), self.seconds) if call_mask is None else call_mask
        return teacher_loss(logits, *self.predict(audio, rate_hz), call_mask)

    def predict(self, audio: Tensor, rate_hz: int) -> tuple[Tensor, Tensor | None]:
        """Return the teachers' mean logits of examples (B, N): whole (B, labels), and by second (B, S, labels).

        The second is None where no teacher has a frame for each second.
        """
        logits = self._predict_cached(self._cache, audio, rate_hz) if self._cache else self._predict(audio, rate_hz)
        return logits[:, 0], logits[:, 1:] if logits.shape[1] > 1 else None

    def _predict_cached(self, cache: ArrayCache, audio: Tensor, rate_hz: int) -> Tensor:
        key = sha256(self.digest.encode() + audio.cpu().numpy().tobytes()).digest()
        logits = cache.get(key)
        if logits is None:
            logits = self._predict(audio, rate_hz).cpu().numpy()
            cache.put(key, logits)
        return torch.from_numpy(logits).to(audio.device)

    @torch.no_grad()
    def _predict(self, audio: Tensor, rate_hz: int) -> Tensor:
        """Return the logits of the whole, then those of each second if a teacher has them: (B, 1 or 1 + S, labels)."""
        frames = [_frame_logits(network, audio, rate_hz) for network in self.networks]
        whole = torch.stack([topk_pooling(each) for each in frames]).mean(0).unsqueeze(1)
        timed = [logits_per_second(each, self.seconds) for each in frames if each.shape[1] >= self.seconds]
        return torch.cat([whole, torch.stack(timed).mean(0)], 1) if timed else whole


def teacher_loss(logits: Tensor, example_logits: Tensor, second_logits: Tensor | None, call_mask: Tensor) -> Tensor:
    """Compare logits of a student, (B, frames, labels), with a teacher's: whole (B, labels), by second (B, S, labels).

    `call_mask` has the shape (B, moments).
    """
    target = torch.sigmoid(example_logits) * call_mask.amax(1, keepdim=True)
    loss = F.binary_cross_entropy_with_logits(topk_pooling(logits), target)
    if second_logits is not None:
        count = second_logits.shape[1]
        target = torch.sigmoid(second_logits) * F.adaptive_max_pool1d(call_mask, count).unsqueeze(2)
        loss = (loss + F.binary_cross_entropy_with_logits(logits_per_second(logits, count), target)) / 2
    silent = 1 - F.adaptive_max_pool1d(call_mask, logits.shape[1]).unsqueeze(2)  # (B, frames, 1)
    return loss + SILENT_FRAME_WEIGHT * (silent * F.softplus(logits)).mean()


def logits_per_second(logits: Tensor, seconds: int) -> Tensor:
    """Return the mean logits of each second, (B, seconds, labels), of frames (B, frames, labels)."""
    return F.adaptive_avg_pool1d(logits.transpose(1, 2), seconds).transpose(1, 2)


def _frame_logits(network: Net, audio: Tensor, rate_hz: int) -> Tensor:
    resampled = audio if network.rate_hz == rate_hz else resample(audio, rate_hz, network.rate_hz)
    return network.frame_logits(network.features(resampled)).float()


def _digest(networks: Sequence[Net]) -> str:
    digest = sha256()
    for network in networks:
        for value in network.state_dict().values():
            digest.update(value.cpu().numpy().tobytes())
    return digest.hexdigest()
