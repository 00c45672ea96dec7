"""BirdNET v2.4 (Kahl et al. 2021, Ecological Informatics 61) as a torch network: it maps features to logits of species.

The body resembles EfficientNet: a convolution, 16 inverted residual blocks with swish activations, squeeze-excitation
in all but the first three, and a convolution to 1,024 channels, whose mean is the embedding. Batch normalisation is
already folded into the convolutions of the published file. The weights are CC BY-NC-SA 4.0; the user downloads them.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from anura_edge.errors import ModelError
from anura_train.models.window import WindowNet

EMBEDDING = 1_024

STAGES = ((3, 72, 36, 0), (4, 288, 72, 18), (5, 864, 108, 27), (4, 1_536, 192, 48))
"""For each stage: blocks, expanded channels, output channels, channels of the squeeze-excitation (0: none)."""

STEM_CHANNELS = 24


@dataclass(frozen=True, slots=True)
class BlockShape:
    """The channels of a block."""

    channels_in: int
    expanded: int
    channels_out: int
    squeezed: int
    """Channels of the squeeze-excitation; 0: the block has none."""
    stride: int

    @property
    def residual(self) -> bool:
        """Whether the block adds its input, which has the shape of its output."""
        return self.stride == 1


def _block_shapes() -> Iterator[BlockShape]:
    channels_in = STEM_CHANNELS
    for blocks, expanded, channels_out, squeezed in STAGES:
        for number in range(blocks):
            yield BlockShape(channels_in, expanded, channels_out, squeezed, stride=1 if number else 2)
            channels_in = channels_out


BLOCKS = tuple(_block_shapes())


class _SqueezeExcite(nn.Module):
    """Multiply each channel by a factor that is computed from the means of all channels (Hu et al. 2018)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, M, T) to the same shape."""
        means = image.mean((2, 3), keepdim=True)
        return image * torch.sigmoid(self.excite(nn.functional.silu(self.squeeze(means))))


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018): expand, depthwise 3 x 3, squeeze-excite, project, add the input."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.shape, expanded = shape, shape.expanded
        self.expand = nn.Conv2d(shape.channels_in, expanded, 1)
        self.depthwise = nn.Conv2d(expanded, expanded, 3, shape.stride, padding=1, groups=expanded)
        self.squeeze_excite = _SqueezeExcite(expanded, shape.squeezed) if shape.squeezed else nn.Identity()
        self.project = nn.Conv2d(expanded, shape.channels_out, 1)

    def expanded(self, image: Tensor) -> Tensor:
        """Map (B, C, M, T) to the input of the projection, (B, expanded, M / stride, T / stride)."""
        expanded = nn.functional.silu(self.depthwise(nn.functional.silu(self.expand(image))))
        excited: Tensor = self.squeeze_excite(expanded)
        return excited

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, M, T) to (B, C', M / stride, T / stride)."""
        projected: Tensor = self.project(self.expanded(image))
        return image + projected if self.shape.residual else projected


class BirdnetBody(nn.Module):
    """The network between the features and the logits: one frame of logits for a window."""

    post_scale: Tensor
    post_offset: Tensor

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, STEM_CHANNELS, (4, 8), stride=2)
        self.merge = nn.Conv2d(2 * STEM_CHANNELS, STEM_CHANNELS, 1)
        self.blocks = nn.Sequential(*[Block(shape) for shape in BLOCKS])
        self.block_numbers = tuple(range(len(BLOCKS)))
        channels = STAGES[-1][2]
        self.register_buffer("post_scale", torch.ones(channels, 1, 1))
        self.register_buffer("post_offset", torch.zeros(channels, 1, 1))
        self.last = nn.Conv2d(channels, EMBEDDING, 3)
        self.head = nn.Linear(EMBEDDING, labels)

    def embeddings(self, features: Tensor) -> Tensor:
        """Return the embeddings (B, EMBEDDING) of features (B, 2, MELS, FRAMES)."""
        image = self.blocks(stem(self.first, self.merge, features))
        image = torch.relu(image * self.post_scale + self.post_offset)
        return torch.relu(self.last(image)).mean((2, 3))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of features (B, 2, MELS, FRAMES)."""
        logits: Tensor = self.head(self.embeddings(features))
        return logits.unsqueeze(1)


def keep_labels(model: WindowNet, kept: Sequence[int]) -> None:
    """Reduce the last layer of a BirdNET to some of its labels, in the order of `kept`, in place."""
    head = cast(BirdnetBody, model.body).head
    rows = torch.tensor(kept)
    head.weight = nn.Parameter(head.weight.detach()[rows])
    head.bias = nn.Parameter(head.bias.detach()[rows])
    head.out_features = len(kept)


def drop_blocks(body: BirdnetBody, dropped: Collection[int]) -> None:
    """Remove residual blocks, numbered from 0, from a body that has all of them, in place.

    A residual block adds to its input, so the others still fit. Raises ModelError for a block that changes the shape.
    """
    residual = {number for number, block in enumerate(body.blocks) if cast(Block, block).shape.residual}
    if other := set(dropped) - residual:
        raise ModelError(
            f"block {min(other)} of BirdNET cannot be dropped; choose from {', '.join(map(str, sorted(residual)))}"
        )
    body.block_numbers = tuple(number for number in body.block_numbers if number not in dropped)
    body.blocks = nn.Sequential(*[body.blocks[number] for number in body.block_numbers])


def stem(first: nn.Conv2d, merge: nn.Conv2d, features: Tensor) -> Tensor:
    """Map features (B, 2, MELS, FRAMES) with BirdNET's first two convolutions to (B, 24, 48, 128)."""
    # TensorFlow's "same" padding adds the odd sample at the end.
    image = torch.relu(first(nn.functional.pad(features, (3, 4, 1, 1))))
    pooled = [nn.functional.max_pool2d(image, (1, 2)), nn.functional.avg_pool2d(image, (1, 2))]
    merged: Tensor = merge(torch.cat(pooled, 1))
    return merged
