"""Training: from sounds to weights, in one loop."""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torchaudio.functional import mask_along_axis_iid

from anura_train.augment import Mixer, Sounds
from anura_train.losses import weak_label_loss
from anura_train.models import Net, build
from anura_train.recipe import AugmentSettings, Recipe

OnStep = Callable[[int, float], None]
"""Called after each step with its number, from 1, and its loss."""


def fit(recipe: Recipe, sounds: Sounds, on_step: OnStep) -> Net:
    """Train a network; the same recipe and sounds on the same machine give the same weights."""
    torch.manual_seed(recipe.seed)
    mixer = Mixer(sounds, recipe.augment, recipe.example_s, np.random.default_rng(recipe.seed))
    model = build(recipe.model, len(sounds.labels)).train()
    average = copy.deepcopy(model).eval()
    optimizer = AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = OneCycleLR(optimizer, recipe.learning_rate, total_steps=recipe.steps + 1)

    for step in range(1, recipe.steps + 1):
        waveform, target = map(torch.from_numpy, mixer.batch(recipe.batch))  # (B, N), (B, labels)
        with torch.no_grad():
            features = _mask(model.features(waveform), recipe.augment)  # (B, T, M)
        loss = weak_label_loss(model.learn(features), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        # A young average would hold the random beginning: its decay grows with the steps (Tarvainen, Valpola 2017).
        _follow(average, model, min(recipe.average, step / (step + 10)))
        on_step(step, loss.item())
    return average


def _mask(features: Tensor, settings: AugmentSettings) -> Tensor:
    """Blank one stretch of frames and one of bands in each example (SpecAugment); features are (B, T, M)."""
    masked: Tensor = features.unsqueeze(1)
    for widest, axis in ((settings.mask_frames, 2), (settings.mask_mels, 3)):
        if widest:
            masked = mask_along_axis_iid(masked, widest, 0.0, axis)
    return masked.squeeze(1)


@torch.no_grad()
def _follow(average: Net, model: Net, decay: float) -> None:
    """Move the averaged weights, and the statistics of batch normalisation, a little towards the model's."""
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
