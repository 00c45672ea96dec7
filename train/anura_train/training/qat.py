"""Quantisation-aware training: the last steps learn with the integers that the device has (Jacob et al. 2018).

What export makes int8 (`anura_export.quantization.int8`) is rounded here: all convolutions and products but the first,
the last and depthwise ones, signed and symmetric, with a scale for each output channel and one for each layer's input.
A convolution's batch normalisation is folded into it at export, which scales its channels and so changes no rounding.
"""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

INT8_MAX = 127


def enable_qat(model: nn.Module) -> None:
    """Let a network compute with rounded weights and inputs from now on; its weights themselves stay as exact.

    Once more changes nothing.
    """
    for layer in quantized_layers(model):
        compute = partial(_convolve, layer) if isinstance(layer, nn.Conv2d) else partial(_multiply, layer)
        layer.forward = compute  # type: ignore[method-assign]  # the layer stays where it is, so its weights keep names


def quantized_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Return the layers that are rounded, in the order of their working."""
    layers = [each for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    return [each for each in layers[1:-1] if isinstance(each, nn.Linear) or each.groups == 1]


def fake_quantize(values: Tensor, *, channels: bool) -> Tensor:
    """Return values at the nearest of 255 steps, of each channel (the first axis) or of all; gradients pass."""
    exact = values.detach()
    largest = exact.abs().flatten(1).amax(1).view(-1, *[1] * (exact.ndim - 1)) if channels else exact.abs().amax()
    step = largest.clamp_min(1e-8) / INT8_MAX
    return values + ((exact / step).round() * step - exact)


def _convolve(layer: nn.Conv2d, heard: Tensor) -> Tensor:
    heard, weight = fake_quantize(heard, channels=False), fake_quantize(layer.weight, channels=True)
    return F.conv2d(heard, weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def _multiply(layer: nn.Linear, heard: Tensor) -> Tensor:
    return F.linear(fake_quantize(heard, channels=False), fake_quantize(layer.weight, channels=True), layer.bias)
