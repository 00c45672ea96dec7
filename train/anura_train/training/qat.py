"""Quantization-aware training: the last steps compute with the 8-bit integers of the device (Jacob et al. 2018).

The layers that export makes int8 (`anura_export.quantization.int8`) are quantized here: all convolutions and linear
layers except the first, the last and depthwise ones. Quantization is signed and symmetric, with one scale for each
output channel of the weights and one for each layer's input. Export folds batch normalization into a convolution. That
scales its channels and does not change the rounding.
"""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

INT8_MAX = 127


def enable_qat(model: nn.Module) -> None:
    """Make a network compute with quantized weights and inputs from now on. The weights themselves stay exact.

    A second call changes nothing.
    """
    for layer in quantized_layers(model):
        forward = partial(_convolution, layer) if isinstance(layer, nn.Conv2d) else partial(_linear, layer)
        layer.forward = forward  # type: ignore[method-assign]  # the layer is not replaced, so its weights keep names


def quantized_layers(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Return the layers that are quantized, in the order of the model."""
    layers = [each for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    return [each for each in layers[1:-1] if isinstance(each, nn.Linear) or each.groups == 1]


def fake_quantize(values: Tensor, *, per_channel: bool) -> Tensor:
    """Round values to the nearest of 255 levels, of each channel (the first axis) or of all values.

    Gradients pass unchanged.
    """
    exact = values.detach()
    axes = tuple(range(1, exact.ndim)) if per_channel else tuple(range(exact.ndim))
    largest = exact.abs().amax(axes, keepdim=True)
    scale = largest.clamp_min(1e-8) / INT8_MAX
    return values + ((exact / scale).round() * scale - exact)


def _convolution(layer: nn.Conv2d, values: Tensor) -> Tensor:
    values, weight = fake_quantize(values, per_channel=False), fake_quantize(layer.weight, per_channel=True)
    return F.conv2d(values, weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups)


def _linear(layer: nn.Linear, values: Tensor) -> Tensor:
    values, weight = fake_quantize(values, per_channel=False), fake_quantize(layer.weight, per_channel=True)
    return F.linear(values, weight, layer.bias)
