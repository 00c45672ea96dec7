"""Networks for photographs, listening: a window's features are their picture.

ResNet (He et al. 2016), MobileNetV1 to V3 (Howard et al. 2017, Sandler et al. 2018, Howard et al. 2019), DenseNet
(Huang et al. 2017) and InceptionV3 (Szegedy et al. 2016), all of them timm's.
"""

from collections.abc import Sequence
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from timm.models import adapt_input_conv
from torch import Tensor, nn

from anura_train.models.settings import CnnSettings
from anura_train.models.weights import load_weights, read_weights

IMAGENET_CLASSES = 1_000


class MeanSubtraction(nn.Module):
    """Two pictures of one sound: against its level and against each band's, as frontend.Contrast makes of a stream."""

    channels = 2

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, M) to pictures (B, 2, T, M)."""
        # A whole window is at hand, so its own mean takes the place of the stream's running one.
        level, bands = features.mean((1, 2), keepdim=True), features.mean(1, keepdim=True)
        return torch.stack([features - level, features - bands], dim=1)


class ResizedImage(nn.Module):
    """The features as a grey photograph of the size that a network was pretrained on."""

    channels = 3

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, M) to pictures (B, 3, height, width), bands from low to high down the height."""
        picture = features.transpose(1, 2).unsqueeze(1)  # (B, 1, M, T)
        picture = F.interpolate(picture, self.size, mode="bilinear", align_corners=False)
        return picture.expand(-1, self.channels, -1, -1)


class Cnn(nn.Module):
    """A picture, timm's network over it, and dense layers behind it if the recipe wants some."""

    def __init__(self, settings: CnnSettings, labels: int) -> None:
        super().__init__()
        features, behind = settings.features, bool(settings.dense or settings.imagenet_head)
        self.picture = (
            MeanSubtraction() if features.kind == "mean_subtracted" else ResizedImage(features.height, features.width)
        )
        self.network = timm.create_model(
            settings.network,
            pretrained=False,
            in_chans=self.picture.channels,
            num_classes=IMAGENET_CLASSES if settings.imagenet_head else 0 if behind else labels,
            drop_rate=0.0 if behind else settings.dropout,
        )
        self.head: nn.Module = nn.Identity()
        if behind:
            inputs = IMAGENET_CLASSES if settings.imagenet_head else self.network.head_hidden_size
            self.head = _dense(inputs, settings.dense, labels, settings.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of features (B, T, M)."""
        logits: Tensor = self.head(self.network(self.picture(features)))
        return logits.unsqueeze(1)

    def load(self, path: Path) -> None:
        """Take the network's weights for ImageNet from a file; the layer of classes too, where it has their size."""
        weights = read_weights(path)
        stem = f"{self.network.default_cfg['first_conv']}.weight"
        if stem in weights:
            weights[stem] = adapt_input_conv(self.picture.channels, weights[stem])
        classifier = self.network.default_cfg["classifier"]
        own = self.network.get_classifier()
        untrained = [classifier] if getattr(own, "out_features", 0) != IMAGENET_CLASSES else []
        load_weights(self.network, weights, path, untrained)


def _dense(inputs: int, widths: Sequence[int], labels: int, dropout: float) -> nn.Sequential:
    """Return the layers from a network's (B, inputs) to (B, labels)."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, labels))
