"""Masked features of training examples (SpecAugment, Park et al. 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from anura_train.models import Net
from anura_train.recipe import AugmentSettings, Recipe, WindowSettings


def masked_features(model: Net, waveform: Tensor, recipe: Recipe) -> Tensor:
    """Return masked features of examples (B, N).

    `sequence_length` examples, each a whole number of frames long, follow one another as one stream.
    """
    if recipe.sequence_length > 1:
        waveform = F.pad(waveform, (0, -waveform.shape[1] % model.hop_samples))
    features = model.features(waveform.reshape(len(waveform) // recipe.sequence_length, -1))
    single = features.reshape(len(waveform), -1, features.shape[2])
    return mask_features(single, recipe.augment or recipe.windows).reshape(features.shape)


def mask_features(features: Tensor, settings: AugmentSettings | WindowSettings | None) -> Tensor:
    """Set one run of frames and one run of bands of each example to zero; features are (B, T, M)."""
    if not settings:
        return features
    masked: Tensor = features.unsqueeze(1)
    for widest, axis in ((settings.mask_frames, 2), (settings.mask_mels, 3)):
        if widest:
            masked = mask_along_axis_iid(masked, widest, 0.0, axis)
    masked = masked.squeeze(1)
    if isinstance(settings, WindowSettings) and settings.mask_share < 1:
        chosen = torch.rand(len(features), 1, 1, device=features.device) < settings.mask_share
        return torch.where(chosen, masked, features)
    return masked
