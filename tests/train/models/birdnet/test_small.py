"""The small network of BirdNET's first layers."""

import pytest
import torch

from anura_train.models import build_network
from anura_train.models.birdnet.frontend import FRAMES, MELS, WINDOW_SAMPLES
from anura_train.models.birdnet.network import BLOCKS, BirdnetBody, Block, stem
from anura_train.models.birdnet.small import BirdnetStem, SmallBirdnet, fit_ridge, narrow
from anura_train.models.settings import SmallBirdnetSettings

BLOCK = 4


def random_block() -> Block:
    torch.manual_seed(0)
    return Block(BLOCKS[BLOCK]).requires_grad_(requires_grad=False)


def images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, BLOCKS[BLOCK].channels_in, 12, 32, generator=torch.Generator().manual_seed(1))


def test_block_that_keeps_all_channels_does_not_change() -> None:
    block = random_block()
    narrowed = narrow(block, block.shape.expanded, images())
    torch.testing.assert_close(narrowed(images()), block(images()), atol=0.02, rtol=0.02)


def test_channels_without_influence_are_the_ones_left_out() -> None:
    block = random_block()
    block.project.weight[:, 100:] = 0
    narrowed = narrow(block, 100, images())
    torch.testing.assert_close(narrowed.depthwise.weight, block.depthwise.weight[:100])
    assert narrowed.shape.expanded == 100


def test_fitted_projection_is_nearer_than_the_kept_rows_of_the_old_one() -> None:
    block = random_block()
    narrowed = narrow(block, 72, images(16))
    fitted = (narrowed(images(16)) - block(images(16))).square().mean()
    unfitted = Block(narrowed.shape).requires_grad_(requires_grad=False)
    unfitted.load_state_dict(narrowed.state_dict())
    influence = block.expanded(images(16)).std((0, 2, 3)) * block.project.weight[:, :, 0, 0].norm(dim=0)
    kept = influence.topk(72).indices.sort().values
    unfitted.project.weight.copy_(block.project.weight[:, kept])
    assert block.project.bias is not None
    assert unfitted.project.bias is not None
    unfitted.project.bias.copy_(block.project.bias)
    assert fitted < (unfitted(images(16)) - block(images(16))).square().mean()


def test_ridge_finds_a_linear_function() -> None:
    inputs = torch.randn(3, 500, dtype=torch.float64)
    weights, bias = fit_ridge(inputs, torch.stack([2 * inputs[0] - inputs[2] + 5]), 1e-9)
    torch.testing.assert_close(weights, torch.tensor([[2.0, 0.0, -1.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(bias, torch.tensor([5.0]), atol=1e-4, rtol=0)


@torch.no_grad()
def test_images_are_those_of_birdnet_after_its_first_block() -> None:
    torch.manual_seed(0)
    body, first_layers = BirdnetBody(1), BirdnetStem()
    for own, given in (
        (first_layers.first, body.first),
        (first_layers.merge, body.merge),
        (first_layers.block, body.blocks[0]),
    ):
        own.load_state_dict(given.state_dict())
    spectrograms = torch.rand(1, 2, MELS, FRAMES)
    expected = body.blocks[0](stem(body.first, body.merge, spectrograms))
    torch.testing.assert_close(first_layers.images(spectrograms), expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("channels", [{3: 24}, {3: 24, 4: 24, 7: 36}])
def test_network_has_one_frame_for_a_window_and_windows_that_do_not_overlap(channels: dict[int, int]) -> None:
    network = build_network(SmallBirdnetSettings(kind="small_birdnet", channels=channels, dropout=0.0), 5).eval()
    assert isinstance(network.body, SmallBirdnet)
    assert network(torch.zeros(1, WINDOW_SAMPLES)).shape == (1, 5)
    assert network.hop_samples == network.window_samples == WINDOW_SAMPLES
    assert network.predict(torch.zeros(WINDOW_SAMPLES + 1)).shape == (2, 5)


def test_only_the_body_is_trained() -> None:
    network = build_network(SmallBirdnetSettings(kind="small_birdnet", channels={3: 24}, dropout=0.0), 5)
    assert {name.split(".")[0] for name, weight in network.named_parameters() if weight.requires_grad} == {"body"}
