"""Rounds the weights of convolutions so that a graph can store them as int8 without a change."""

import torch
from torch import nn

MIN_VALUES = 1_000
"""Smaller kernels stay as they are: the nodes that unpack them would need as many bytes as int8 saves."""

STEPS = 127
"""Values on each side of 0. -128 is not used, so the range is symmetric."""


@torch.no_grad()
def round_to_int8(module: nn.Module) -> None:
    """Round the kernels of all convolutions to multiples of 1/127 of the largest weight of each output channel."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.weight.numel() >= MIN_VALUES:
            rows = layer.weight.flatten(1)
            step = (rows.abs().amax(1, keepdim=True) / STEPS).clamp_min(torch.finfo(rows.dtype).tiny)
            layer.weight.copy_((torch.round(rows / step) * step).view_as(layer.weight))
