"""The head on BirdNET's embedding."""

import pytest
import torch

from anura_edge.errors import ModelError
from anura_train.models import build_network
from anura_train.models.birdnet.frontend import FRAMES, MELS
from anura_train.models.birdnet.network import EMBEDDING, BirdnetBody, drop_blocks
from anura_train.models.birdnet.transfer import MIN_PRIOR, NO_PRIOR, BirdnetTransfer, make_terms, margin
from anura_train.models.settings import BirdnetSettings
from anura_train.models.window import WindowNet


@torch.no_grad()
def test_prior_of_a_label_is_the_highest_of_its_species() -> None:
    torch.manual_seed(0)
    birdnet, net = BirdnetBody(3), BirdnetTransfer(3)
    net.set_prior(birdnet, [[2], [0, 1], []])
    embeddings = 30 * torch.randn(20, EMBEDDING).relu()
    own, priors = birdnet.head(embeddings).clamp_min(MIN_PRIOR), net.priors(embeddings)
    torch.testing.assert_close(priors[:, 0], own[:, 2])
    torch.testing.assert_close(priors[:, 1], own[:, :2].amax(1))
    assert (priors[:, 2] == NO_PRIOR).all()


def test_margin_is_the_distance_to_the_highest_of_the_others() -> None:
    torch.testing.assert_close(
        margin(torch.tensor([[1.0, 4.0, 3.0], [2.0, 2.0, 0.0]])), torch.tensor([[-3.0, 1.0, -1.0], [0.0, 0.0, -2.0]])
    )
    assert margin(torch.tensor([[3.0]])) == 0


def test_label_that_birdnet_does_not_know_has_no_terms_of_the_prior() -> None:
    scores, priors = torch.tensor([[0.5, 1.0]]), torch.tensor([[3.0, NO_PRIOR]])
    expected = torch.tensor([[[0.5, -0.5, 3.0, 3.0 - NO_PRIOR, 1.0], [1.0, 0.5, 0.0, 0.0, 0.0]]])
    torch.testing.assert_close(make_terms(scores, priors, torch.tensor([1.0, 0.0])), expected)


@torch.no_grad()
def test_dropped_residual_block_is_one_that_adds_nothing() -> None:
    torch.manual_seed(0)
    whole, cut = BirdnetBody(2).eval(), BirdnetBody(2).eval()
    cut.load_state_dict(whole.state_dict())
    drop_blocks(cut, (5, 14))
    for number in (5, 14):
        projection = whole.blocks[number].get_submodule("project")
        assert isinstance(projection, torch.nn.Conv2d)
        assert projection.bias is not None
        projection.weight.zero_()
        projection.bias.zero_()
    features = torch.rand(1, 2, MELS, FRAMES)
    torch.testing.assert_close(cut(features), whole(features))


def test_block_that_changes_the_shape_cannot_be_dropped() -> None:
    with pytest.raises(ModelError, match="block 3 of BirdNET cannot be dropped; choose from 1, 2, 4"):
        drop_blocks(BirdnetBody(1), (3, 5))


@torch.no_grad()
def test_network_of_a_recipe_is_restored_from_its_weights() -> None:
    torch.manual_seed(0)
    settings = BirdnetSettings(kind="birdnet", dropped_blocks=(5, 9, 14))
    first, second = build_network(settings, 3).eval(), build_network(settings, 3).eval()
    assert isinstance(first, WindowNet)
    first.front_end.get_submodule("spectrograms.0").exponent.fill_(0.2)
    second.load_state_dict(first.state_dict())
    audio = 0.1 * torch.randn(1, first.window_samples)
    torch.testing.assert_close(second(audio), first(audio), equal_nan=True)
    assert second(audio).shape == (1, 3)
