"""The small model's network: the first layers of BirdNET, with few blocks and few channels in them.

The front end, the first two convolutions and the first block stay as they are. Of some later blocks a part of the
expanded channels is kept, and the projection is fitted again, so that the block's output changes least (He, Zhang and
Sun 2017). A linear layer reads the mean and the standard deviation over time of each channel in each band.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from anura_train.models.birdnet.frontend import MELS, BirdnetFrontEnd
from anura_train.models.birdnet.network import BLOCKS, STEM_CHANNELS, Block, stem

SMALL_HOP_S = 3
"""Windows of the small model do not overlap: this is a third of the multiply-adds of a window each second."""

RIDGE = 1e-3
"""Ridge penalty of a projection, relative to the mean square of its inputs."""

MIN_VARIANCE = 1e-6
"""Added to a variance, whose root has no finite gradient at 0."""

STEM_BANDS = MELS // 4
"""Bands after the first convolutions and the first block."""

IMAGES_PER_STEP = 16
"""Images computed at once, so that the expanded channels fit into memory."""


class BirdnetStem(nn.Module):
    """The layers that are not trained: BirdNET's spectrograms, its first two convolutions and its first block."""

    def __init__(self) -> None:
        super().__init__()
        self.front_end = BirdnetFrontEnd()
        self.first = nn.Conv2d(2, STEM_CHANNELS, (4, 8), stride=2)
        self.merge = nn.Conv2d(2 * STEM_CHANNELS, STEM_CHANNELS, 1)
        self.block = Block(BLOCKS[0])
        self.requires_grad_(requires_grad=False)
        _use_channels_last(self)

    def forward(self, audio: Tensor) -> Tensor:
        """Map audio (B, 3 s) to images (B, 36, STEM_BANDS, 64)."""
        return self.images(self.front_end(audio))

    def images(self, spectrograms: Tensor) -> Tensor:
        """Map the output of the front end, (B, 2, MELS, FRAMES), to images."""
        images: Tensor = self.block(stem(self.first, self.merge, spectrograms))
        return images


class SmallBirdnet(nn.Module):
    """The network between these images and the logits of the labels."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, labels: int, channels: Mapping[int, int], dropout: float = 0.0) -> None:
        """Build the network; `channels` has the number of expanded channels of each block that is kept."""
        super().__init__()
        self.block_numbers = tuple(sorted(channels))
        shapes = [replace(BLOCKS[number], expanded=channels[number]) for number in self.block_numbers]
        self.blocks = nn.Sequential(*[Block(shape) for shape in shapes])
        bands = STEM_BANDS
        for shape in shapes:
            bands //= shape.stride
        statistics = 2 * bands * shapes[-1].channels_out
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("deviation", torch.ones(statistics))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(statistics, labels)
        _use_channels_last(self)

    def statistics(self, images: Tensor) -> Tensor:
        """Return the means and standard deviations over time, (B, statistics), of images (B, C, M, T)."""
        output = self.blocks(images)
        means = output.mean(3)
        variances = (output - means.unsqueeze(3)).square().mean(3)
        return torch.cat([means.flatten(1), (variances + MIN_VARIANCE).sqrt().flatten(1)], 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, 1, labels) of images (B, C, M, T)."""
        standardised = (self.statistics(images) - self.mean) / self.deviation
        logits: Tensor = self.head(self.dropout(standardised))
        return logits.unsqueeze(1)


@torch.no_grad()
def narrow(block: Block, expanded: int, images: Tensor) -> Block:
    """Return a block with fewer expanded channels that maps images (B, C, M, T) almost as the given one does.

    Kept are the channels that vary most after their projection. The projection is the ridge regression of the whole
    block's output.
    """
    whole = _expanded(block, images)  # (B, E, M, T)
    influence = whole.std((0, 2, 3)) * block.project.weight[:, :, 0, 0].norm(dim=0)
    kept = influence.topk(expanded).indices.sort().values
    narrowed = Block(replace(block.shape, expanded=expanded))
    _copy_channels(block, narrowed, kept)
    inputs = _expanded(narrowed, images).transpose(0, 1).flatten(1).double()  # (kept, pixels)
    outputs = block.project(whole).transpose(0, 1).flatten(1).double()  # (C', pixels)
    weights, bias = fit_ridge(inputs, outputs, RIDGE)
    narrowed.project.weight.copy_(weights[:, :, None, None])
    narrowed.project.bias.copy_(bias)  # type: ignore[union-attr]  # the convolution has a bias
    return narrowed


def _use_channels_last(module: nn.Module) -> None:
    """Store the kernels so that depthwise convolutions are twice as fast on a CPU."""
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _expanded(block: Block, images: Tensor) -> Tensor:
    return torch.cat(
        [block.expanded(images[start : start + IMAGES_PER_STEP]) for start in range(0, len(images), IMAGES_PER_STEP)]
    )


def _copy_channels(source: Block, target: Block, kept: Tensor) -> None:
    """Copy the kept expanded channels of all layers before the projection."""
    for name, weights in target.state_dict().items():
        if not name.startswith("project"):
            given = source.state_dict()[name]
            for axis in (0, 1):
                if given.dim() > axis and given.shape[axis] != weights.shape[axis]:
                    given = given.index_select(axis, kept)
            weights.copy_(given)


def fit_ridge(inputs: Tensor, outputs: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Fit outputs (O, n) = weights (O, I) @ inputs (I, n) + bias (O,); `penalty` is relative to the mean variance."""
    means, targets = inputs.mean(1, keepdim=True), outputs.mean(1, keepdim=True)
    centred = inputs - means
    moments = centred @ centred.T
    moments.diagonal().add_(penalty * moments.diagonal().mean())
    weights = torch.linalg.solve(moments, centred @ (outputs - targets).T).T
    return weights.float(), (targets - weights @ means).squeeze(1).float()
