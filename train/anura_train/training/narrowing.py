"""Cuts a small network out of its teacher: the first weights of a student, before it is trained."""

from typing import cast

import torch
from torch import Tensor

from anura_edge.errors import ConfigError
from anura_train.batches.stored import StoredExamples
from anura_train.models import Net
from anura_train.models.birdnet.network import Block
from anura_train.models.birdnet.small import BirdnetStem, SmallBirdnet, fit_ridge, narrow
from anura_train.models.birdnet.transfer import BirdnetTransfer
from anura_train.models.window import WindowNet

NARROWING_EXAMPLES, HEAD_EXAMPLES = 192, 2_000
"""Examples for the projections of the blocks, each with thousands of pixels, and for the head."""

HEAD_PENALTY = 0.3
"""Ridge penalty of the head, relative to the mean variance of its inputs."""


def stem_of(teacher: WindowNet) -> BirdnetStem:
    """Return the first layers of a head on BirdNET."""
    body = cast(BirdnetTransfer, teacher.body).body
    stem = BirdnetStem()
    stem.front_end.load_state_dict(teacher.front_end.state_dict())
    for own, given in ((stem.first, body.first), (stem.merge, body.merge), (stem.block, body.blocks[0])):
        own.load_state_dict(given.state_dict())
    return stem


@torch.no_grad()
def cut_out(model: Net, teacher: Net, examples: StoredExamples) -> None:
    """Set the weights of a small network: narrowed blocks of the teacher, and a head that predicts its logits.

    ConfigError for a block that the teacher lacks.
    """
    network, given = cast(WindowNet, model), cast(WindowNet, teacher)
    small, body = cast(SmallBirdnet, network.body), cast(BirdnetTransfer, given.body).body
    network.front_end.load_state_dict(stem_of(given).state_dict())
    drawn = examples.batch(0, min(HEAD_EXAMPLES, examples.epoch_size))
    features, logits = torch.from_numpy(drawn.features), torch.from_numpy(drawn.teacher_logits)
    images = features[:NARROWING_EXAMPLES]
    for own, number in zip(small.blocks, small.block_numbers, strict=True):
        if number not in body.block_numbers:
            raise ConfigError(
                f"the teacher has no block {number}; choose from {', '.join(map(str, body.block_numbers))}"
            )
        block = cast(Block, body.blocks[body.block_numbers.index(number)])
        own.load_state_dict(narrow(block, cast(Block, own).shape.expanded, images).state_dict())
        images = own(images)
    _fit_head(small, features, logits)


def _fit_head(small: SmallBirdnet, features: Tensor, logits: Tensor) -> None:
    statistics = torch.cat([small.statistics(batch) for batch in torch.split(features, NARROWING_EXAMPLES)])
    small.mean.copy_(statistics.mean(0))
    small.deviation.copy_(statistics.std(0) + 1e-3)
    standardised = (statistics - small.mean) / small.deviation
    weights, bias = fit_ridge(standardised.T.double(), logits.T.double(), HEAD_PENALTY)
    small.head.weight.copy_(weights)
    small.head.bias.copy_(bias)
