"""Image classification networks that take the features of a window as an image.

ResNet (He et al. 2016), MobileNetV1 to V3 (Howard et al. 2017, Sandler et al. 2018, Howard et al. 2019), DenseNet
(Huang et al. 2017) and InceptionV3 (Szegedy et al. 2016). All are timm's.
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
    """Two channels: the features minus their mean, and minus the mean of each band, like RunningMeanSubtraction."""

    channels = 2

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, M) to images (B, 2, T, M)."""
        # The whole window is available, so its mean replaces the running mean of the stream model.
        level, bands = features.mean((1, 2), keepdim=True), features.mean(1, keepdim=True)
        return torch.stack([features - level, features - bands], dim=1)


class ResizedImage(nn.Module):
    """The features as a grey image of the size that a network was pretrained on."""

    channels = 3

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, T, M) to images (B, 3, height, width); the lowest band is the first row."""
        image = features.transpose(1, 2).unsqueeze(1)  # (B, 1, M, T)
        image = F.interpolate(image, self.size, mode="bilinear", align_corners=False)
        return image.expand(-1, self.channels, -1, -1)


class Cnn(nn.Module):
    """An image, timm's network, and dense layers after it if the recipe has some."""

    def __init__(self, settings: CnnSettings, labels: int) -> None:
        super().__init__()
        features, extra_layers = settings.features, bool(settings.dense or settings.imagenet_head)
        self.image = (
            MeanSubtraction() if features.kind == "mean_subtracted" else ResizedImage(features.height, features.width)
        )
        self.network = timm.create_model(
            settings.network,
            pretrained=False,
            in_chans=self.image.channels,
            num_classes=IMAGENET_CLASSES if settings.imagenet_head else 0 if extra_layers else labels,
            drop_rate=0.0 if extra_layers else settings.dropout,
        )
        self.head: nn.Module = nn.Identity()
        if extra_layers:
            inputs = IMAGENET_CLASSES if settings.imagenet_head else self.network.head_hidden_size
            self.head = _dense(inputs, settings.dense, labels, settings.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of features (B, T, M)."""
        logits: Tensor = self.head(self.network(self.image(features)))
        return logits.unsqueeze(1)

    def load_pretrained(self, path: Path) -> None:
        """Load ImageNet weights from a file; those of the last layer only if it has 1,000 classes."""
        weights = read_weights(path)
        stem = f"{self.network.default_cfg['first_conv']}.weight"
        if stem in weights:
            weights[stem] = adapt_input_conv(self.image.channels, weights[stem])
        classifier = self.network.default_cfg["classifier"]
        last_layer = self.network.get_classifier()
        untrained = [classifier] if getattr(last_layer, "out_features", 0) != IMAGENET_CLASSES else []
        load_weights(self.network, weights, path, untrained)


def _dense(inputs: int, widths: Sequence[int], labels: int, dropout: float) -> nn.Sequential:
    """Return dense layers that map (B, inputs) to (B, labels)."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, labels))
