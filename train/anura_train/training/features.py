"""Masked features of training examples (SpecAugment, Park et al. 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from anura_train.models import Net
from anura_train.recipe import AugmentSettings, Recipe, WindowSettings

IMAGE_DIMENSIONS = 4
"""Features of `BirdnetStem` are images with channels."""


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
    """Set one run of frames and one run of bands of each example to zero; features are (B, T, M).

    In images, (B, C, M, T), the runs are set to the mean of each channel, because zero is no usual value there.
    """
    if not settings:
        return features
    if features.dim() == IMAGE_DIMENSIONS:
        means = features.mean((2, 3), keepdim=True)
        return _mask(features - means, settings.mask_frames, 3, settings.mask_mels, 2) + means
    masked = _mask(features.unsqueeze(1), settings.mask_frames, 2, settings.mask_mels, 3).squeeze(1)
    if isinstance(settings, WindowSettings) and settings.mask_share < 1:
        chosen = torch.rand(len(features), 1, 1, device=features.device) < settings.mask_share
        return torch.where(chosen, masked, features)
    return masked


def _mask(features: Tensor, frames: int, time_axis: int, mels: int, mel_axis: int) -> Tensor:
    for widest, axis in ((frames, time_axis), (mels, mel_axis)):
        if widest:
            features = mask_along_axis_iid(features, widest, 0.0, axis)
    return features
