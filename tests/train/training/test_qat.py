"""Quantization-aware training has few values, exact gradients, and leaves exact weights."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from anura_train.batches.build import prepare_training_data
from anura_train.data import Corpus
from anura_train.models import build_network
from anura_train.recipe import Recipe
from anura_train.training.loop import fit
from anura_train.training.qat import enable_qat, fake_quantize, quantized_layers


@given(st.integers(0, 1_000), st.floats(1e-3, 1e3))
def test_quantization_error_is_at_most_half_a_level(seed: int, scale: float) -> None:
    values = scale * torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(seed))
    rounded = fake_quantize(values, per_channel=True)
    steps = values.abs().flatten(1).amax(1) / 127
    assert ((rounded - values).abs().flatten(1).amax(1) <= 0.5001 * steps).all()
    assert all(len(channel.unique()) <= 255 for channel in rounded.flatten(1))
    torch.testing.assert_close(fake_quantize(rounded, per_channel=True), rounded)
    together = fake_quantize(values, per_channel=False)
    assert (together - values).abs().max() <= 0.5001 * values.abs().max() / 127


def test_gradients_pass_unchanged() -> None:
    values = torch.randn(3, 4, requires_grad=True)
    fake_quantize(values, per_channel=True).mul(torch.arange(12.0).reshape(3, 4)).sum().backward()
    torch.testing.assert_close(values.grad, torch.arange(12.0).reshape(3, 4))


def test_first_last_and_depthwise_layers_stay_exact(recipe: Recipe) -> None:
    model = build_network(recipe.model, 3)
    rounded = quantized_layers(model)
    layers = [each for each in model.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    assert rounded
    assert layers[0] not in rounded
    assert layers[-1] not in rounded
    assert all(each.groups == 1 for each in rounded if isinstance(each, nn.Conv2d))
    assert len(rounded) == len([each for each in layers if isinstance(each, nn.Linear) or each.groups == 1]) - 2


def test_qat_changes_the_results_but_not_the_weights(recipe: Recipe) -> None:
    torch.manual_seed(0)
    model = build_network(recipe.model, 3).eval()
    features = torch.randn(1, 40, 64)
    with torch.no_grad():
        exact, before = (
            model.frame_logits(features),
            {name: value.clone() for name, value in model.state_dict().items()},
        )
        enable_qat(model)
        rounded = model.frame_logits(features)
        enable_qat(model)
        assert torch.equal(model.frame_logits(features), rounded), "a second call changes nothing"
    assert 0 < (rounded - exact).abs().max() < 0.3
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_training_with_qat_gives_an_exact_model(recipe: Recipe, corpus: Corpus, share: float) -> None:
    def train(qat_share: float) -> dict[str, torch.Tensor]:
        changed = recipe.model_copy(update={"steps": 4, "qat_share": qat_share})
        return fit(changed, prepare_training_data(changed, corpus, corpus.labels()), lambda _: None).state_dict()

    exact, rounded = train(0.0), train(share)
    assert exact.keys() == rounded.keys()
    assert any(not torch.equal(exact[name], rounded[name]) for name in exact)
