"""Rounding of weights to what int8 can store."""

import torch
from torch import nn

from anura_train.models.int8_weights import round_to_int8


def test_each_channel_has_at_most_255_values_and_a_small_error() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 8, 3)
    before = layer.weight.detach().clone()
    round_to_int8(layer)
    for rounded, exact in zip(layer.weight.detach(), before, strict=True):
        step = exact.abs().max() / 127
        assert (rounded - exact).abs().max() <= 0.501 * step
        torch.testing.assert_close(rounded / step, torch.round(rounded / step), atol=1e-3, rtol=0)


def test_rounding_twice_changes_nothing() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 8, 3)
    round_to_int8(layer)
    once = layer.weight.detach().clone()
    round_to_int8(layer)
    torch.testing.assert_close(layer.weight.detach(), once, rtol=1e-6, atol=0)


def test_small_kernels_and_other_layers_are_not_changed() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Linear(64, 64))
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    round_to_int8(layers)
    for name, value in layers.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_channel_of_zeros_stays_zero() -> None:
    layer = nn.Conv2d(16, 8, 3)
    nn.init.zeros_(layer.weight)
    round_to_int8(layer)
    assert not layer.weight.any()
