"""Training learns, is reproducible, and follows the recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from anura_edge.errors import ConfigError, ModelError
from anura_train.batches.build import open_source_audio, prepare_training_data
from anura_train.batches.mixer import Mixer
from anura_train.batches.windows import WindowExamples
from anura_train.data import Corpus
from anura_train.evaluation.metrics import average_precision
from anura_train.models import Net, build_network
from anura_train.models.settings import RATE_HZ
from anura_train.recipe import Recipe, WindowSettings
from anura_train.training.features import mask_features, masked_features
from anura_train.training.folds import predict_all
from anura_train.training.loop import Step, fit
from anura_train.training.optimizer import make_optimizer, make_schedule


def test_a_trained_model_separates_the_species(corpus: Corpus, tone_model: Net) -> None:
    frogs = [clip for clip in corpus.frogs if clip.codes[0] in corpus.labels()]
    scores = np.stack([logits.max(0) for logits in predict_all(tone_model, frogs).values()])
    truth = np.array([[clip.codes[0] == label for label in corpus.labels()] for clip in frogs])
    assert average_precision(np.ones((1, len(truth))), scores, truth).mean() > 0.8


def test_the_weights_depend_on_the_seed_only(corpus: Corpus, short: Recipe) -> None:
    def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
        return fit(recipe, prepare_training_data(recipe, corpus, corpus.labels()), lambda _: None).state_dict()

    first, second = (weights(short) for _ in range(2))
    other = weights(short.model_copy(update={"seed": 4}))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_examples_have_the_length_and_level_of_the_recipe(corpus: Corpus, recipe: Recipe) -> None:
    labels = corpus.labels()
    mixer = Mixer(
        open_source_audio(corpus, labels, RATE_HZ), recipe.augment, recipe.example_s, np.random.default_rng(0)
    )
    batch = mixer.batch(1, 200)
    waveforms, targets = batch.waveforms, batch.targets
    assert waveforms.shape == (200, round(recipe.example_s * RATE_HZ))
    assert targets.shape == (200, len(labels))
    assert np.abs(waveforms).max() <= 1
    low, high = recipe.augment.level_dbfs
    level_dbfs = 10 * np.log10(np.square(waveforms).mean(1)[waveforms.any(1)])
    assert ((level_dbfs > low - 1) & (level_dbfs < high + 1)).all()
    assert 0 < (targets.sum(1) == 0).mean() < 0.6
    assert targets.sum(1).max() == 2


def test_a_sequence_of_examples_is_one_stream(recipe: Recipe) -> None:
    joined = recipe.model_copy(update={"sequence_length": 2, "augment": None})
    torch.manual_seed(0)
    model = build_network(recipe.model, 2).eval()
    frames = 5
    examples = 0.1 * torch.randn(4, frames * model.hop_samples - 100)
    with torch.no_grad():
        logits = model.frame_logits(masked_features(model, examples, joined)).reshape(4, frames, 2)
        silence = torch.zeros(100)
        for first in (0, 2):
            stream = torch.cat([examples[first], silence, examples[first + 1], silence])
            alone = model.frame_logits(model.features(stream[None]))[0]
            torch.testing.assert_close(torch.cat([*logits[first : first + 2]]), alone)


def test_parameter_groups_have_their_own_settings(recipe: Recipe) -> None:
    layers = [{"prefix": "head.", "learning_rate": 0.5}, {"prefix": "gru.", "weight_decay": 0.25}]
    changed = Recipe.model_validate(recipe.model_dump() | {"parameter_groups": layers})
    model = build_network(changed.model, 3)
    rest, head, memory = make_optimizer(model, changed).param_groups
    assert (head["lr"], head["weight_decay"]) == (0.5, recipe.weight_decay)
    assert (memory["lr"], memory["weight_decay"]) == (recipe.learning_rate, 0.25)
    assert [len(head["params"]), len(memory["params"])] == [2, 4]
    assert len(rest["params"]) + 6 == len(list(model.parameters()))


def test_a_parameter_group_without_parameters_is_refused(recipe: Recipe) -> None:
    changed = Recipe.model_validate(recipe.model_dump() | {"parameter_groups": [{"prefix": "haed"}]})
    with pytest.raises(ConfigError, match="haed"):
        make_optimizer(build_network(changed.model, 3), changed)


@pytest.mark.parametrize(("schedule", "last"), [("one_cycle", 0.0), ("cosine", 0.0), ("constant", 0.01)])
def test_a_schedule_ends_at_its_last_rate(recipe: Recipe, schedule: str, last: float) -> None:
    changed = recipe.model_copy(update={"schedule": schedule})
    optimizer = make_optimizer(build_network(changed.model, 3), changed)
    rates = []
    steps = make_schedule(optimizer, changed, 50)
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        steps.step()
    assert max(rates) == pytest.approx(recipe.learning_rate, rel=0.01)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(last, abs=1e-4)


def test_masks_set_whole_frames_to_zero_and_change_no_other() -> None:
    torch.manual_seed(0)
    features = torch.rand(40, 30, 20) + 1
    masked = mask_features(features, WindowSettings(mask_share=0.5, mask_frames=10))
    blank = masked == 0
    assert torch.equal(masked[~blank], features[~blank])
    assert (blank.all(2) == blank.any(2)).all()  # whole frames
    assert 5 < blank.any(2).any(1).sum() < 35
    assert torch.equal(mask_features(features, WindowSettings()), features)


def windowed(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with a small CRNN on windows."""
    values = recipe.model_dump(exclude={"augment", "steps"}) | {
        "model": {"kind": "crnn", "width": 4, "hidden": 8, "dropout": 0.1},
        "example_s": 3.0,
        "windows": {"balanced": True},
        "loss": {"kind": "bce"},
        "epochs": 2,
    }
    return Recipe.model_validate(values | changes)


def test_early_stopping_ends_after_epochs_without_progress(corpus: Corpus, recipe: Recipe) -> None:
    early = {"validation_share": 0.3, "split": "groups", "patience": 2}
    # Nothing is learned at this rate, so no epoch is better than the first.
    changed = windowed(recipe, epochs=9, learning_rate=1e-12, ema_decay=0.0, early_stopping=early)
    data = prepare_training_data(changed, corpus, corpus.labels())
    assert data.validation
    steps: list[Step] = []
    model = fit(changed, data, steps.append)
    judged = [step for step in steps if step.micro_f1 is not None]
    assert len(judged) == 3
    assert not model.training


def test_validation_windows_are_not_in_training_data(corpus: Corpus, recipe: Recipe) -> None:
    changed = windowed(recipe, early_stopping={"validation_share": 0.3, "split": "groups", "patience": 2})
    data = prepare_training_data(changed, corpus, corpus.labels())
    assert data.validation
    assert isinstance(data.examples, WindowExamples)
    training_groups, checked = (
        {window.recording.group for window in part.windows} for part in (data.examples, data.validation)
    )
    assert training_groups
    assert checked
    assert training_groups.isdisjoint(checked)


def test_missing_pretrained_weights_are_named(corpus: Corpus, recipe: Recipe, tmp_path: Path) -> None:
    model = {"kind": "cnn", "network": "resnet18", "features": {"kind": "mean_subtracted"}, "dropout": 0.0}
    missing = windowed(recipe, model=model | {"pretrained": str(tmp_path / "none.pth")})
    with pytest.raises(ModelError, match=r"none\.pth"):
        fit(missing, prepare_training_data(missing, corpus, corpus.labels()), lambda _: None)


def test_mixed_precision_keeps_weights_of_32_bits(corpus: Corpus, recipe: Recipe) -> None:
    short = recipe.model_copy(update={"steps": 1})
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        fabric = Fabric(accelerator="cpu", devices=1, precision=precision)
        steps: list[Step] = []
        model = fit(short, prepare_training_data(short, corpus, corpus.labels()), steps.append, fabric=fabric)
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
        losses.append(steps[0].loss)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_a_batch_that_devices_cannot_share_is_refused(corpus: Corpus, recipe: Recipe) -> None:
    class Three(Fabric):
        world_size = 3

    with pytest.raises(ConfigError, match="3 devices"):
        fit(
            recipe,
            prepare_training_data(recipe, corpus, corpus.labels()),
            lambda _: None,
            fabric=Three(accelerator="cpu"),
        )
