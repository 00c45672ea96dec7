"""Training learns, is the same each time, and does what the recipe says."""

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
from anura_train.evaluation.metrics import mean_average_precision
from anura_train.models import build_network
from anura_train.models.settings import RATE_HZ
from anura_train.recipe import Recipe, WindowSettings
from anura_train.training.folds import predict_all
from anura_train.training.loop import Step, features_of, fit, make_optimizer, make_schedule, mask


def test_training_learns_to_tell_the_species_apart(corpus: Corpus, recipe: Recipe) -> None:
    model = fit(recipe, prepare_training_data(recipe, corpus, corpus.labels()), lambda _: None)
    frogs = [clip for clip in corpus.frogs if clip.codes[0] in corpus.labels()]
    scores = np.stack([rows.max(0) for rows in predict_all(model, frogs).values()])
    truth = np.array([[clip.codes[0] == label for label in corpus.labels()] for clip in frogs])
    assert mean_average_precision(scores, truth) > 0.8


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(corpus: Corpus, recipe: Recipe) -> None:
    short = recipe.model_copy(update={"steps": 2})

    def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
        return fit(recipe, prepare_training_data(recipe, corpus, corpus.labels()), lambda _: None).state_dict()

    first, second = (weights(short) for _ in range(2))
    other = weights(short.model_copy(update={"seed": 4}))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_examples_have_their_length_their_level_and_their_labels(corpus: Corpus, recipe: Recipe) -> None:
    labels = corpus.labels()
    mixer = Mixer(open_source_audio(corpus, labels), recipe.augment, recipe.example_s, np.random.default_rng(0))
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


def test_joined_examples_are_heard_as_one_stream(recipe: Recipe) -> None:
    joined = recipe.model_copy(update={"sequence_length": 2, "augment": None})
    torch.manual_seed(0)
    model = build_network(recipe.model, 2).eval()
    rows = 5
    examples = 0.1 * torch.randn(4, rows * model.hop_samples - 100)
    with torch.no_grad():
        heard = model.frame_logits(features_of(model, examples, joined)).reshape(4, rows, 2)
        silence = torch.zeros(100)
        for first in (0, 2):
            stream = torch.cat([examples[first], silence, examples[first + 1], silence])
            alone = model.frame_logits(model.features(stream[None]))[0]
            torch.testing.assert_close(torch.cat([*heard[first : first + 2]]), alone)


def test_layers_are_learnt_as_the_recipe_says(recipe: Recipe) -> None:
    layers = [{"prefix": "head.", "learning_rate": 0.5}, {"prefix": "gru.", "weight_decay": 0.25}]
    changed = Recipe.model_validate(recipe.model_dump() | {"parameter_groups": layers})
    model = build_network(changed.model, 3)
    rest, head, memory = make_optimizer(model, changed).param_groups
    assert (head["lr"], head["weight_decay"]) == (0.5, recipe.weight_decay)
    assert (memory["lr"], memory["weight_decay"]) == (recipe.learning_rate, 0.25)
    assert [len(head["params"]), len(memory["params"])] == [2, 4]
    assert len(rest["params"]) + 6 == len(list(model.parameters()))


def test_layers_that_are_not_there_are_named(recipe: Recipe) -> None:
    changed = Recipe.model_validate(recipe.model_dump() | {"parameter_groups": [{"prefix": "haed"}]})
    with pytest.raises(ConfigError, match="haed"):
        make_optimizer(build_network(changed.model, 3), changed)


@pytest.mark.parametrize(("schedule", "last"), [("one_cycle", 0.0), ("cosine", 0.0), ("constant", 0.01)])
def test_a_schedule_ends_where_it_should(recipe: Recipe, schedule: str, last: float) -> None:
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


def test_masks_blank_stretches_of_some_examples_and_change_nothing_else() -> None:
    torch.manual_seed(0)
    features = torch.rand(40, 30, 20) + 1
    masked = mask(features, WindowSettings(mask_share=0.5, mask_frames=10))
    blank = masked == 0
    assert torch.equal(masked[~blank], features[~blank])
    assert (blank.all(2) == blank.any(2)).all()  # whole frames
    assert 5 < blank.any(2).any(1).sum() < 35
    assert torch.equal(mask(features, WindowSettings()), features)


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


def test_early_stopping_keeps_the_best_epoch_and_ends_when_none_follows(corpus: Corpus, recipe: Recipe) -> None:
    early = {"validation_share": 0.3, "split": "groups", "patience": 2}
    # Nothing is learnt at this rate, so no epoch is better than the first.
    changed = windowed(recipe, epochs=9, learning_rate=1e-12, ema_decay=0.0, early_stopping=early)
    lesson = prepare_training_data(changed, corpus, corpus.labels())
    assert lesson.validation
    steps: list[Step] = []
    model = fit(changed, lesson, steps.append)
    judged = [step for step in steps if step.micro_f1 is not None]
    assert len(judged) == 3
    assert not model.training


def test_what_is_checked_is_not_learnt_from(corpus: Corpus, recipe: Recipe) -> None:
    changed = windowed(recipe, early_stopping={"validation_share": 0.3, "split": "groups", "patience": 2})
    lesson = prepare_training_data(changed, corpus, corpus.labels())
    assert lesson.validation
    assert isinstance(lesson.examples, WindowExamples)
    learnt, checked = (
        {window.recording.group for window in part.windows} for part in (lesson.examples, lesson.validation)
    )
    assert learnt
    assert checked
    assert learnt.isdisjoint(checked)


def test_pretrained_weights_are_taken_over(corpus: Corpus, recipe: Recipe, tmp_path: Path) -> None:
    model = {"kind": "cnn", "network": "resnet18", "features": {"kind": "mean_subtracted"}, "dropout": 0.0}
    missing = windowed(recipe, model=model | {"pretrained": str(tmp_path / "none.pth")})
    with pytest.raises(ModelError, match=r"none\.pth"):
        fit(missing, prepare_training_data(missing, corpus, corpus.labels()), lambda _: None)


def test_fewer_bits_change_the_sums_and_not_the_weights_that_are_kept(corpus: Corpus, recipe: Recipe) -> None:
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


def test_a_batch_that_cannot_be_dealt_is_refused(corpus: Corpus, recipe: Recipe) -> None:
    class Three(Fabric):
        world_size = 3

    with pytest.raises(ConfigError, match="3 devices"):
        fit(
            recipe,
            prepare_training_data(recipe, corpus, corpus.labels()),
            lambda _: None,
            fabric=Three(accelerator="cpu"),
        )
