"""A small network is trained on stored examples with the scores of a large one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from anura_edge.errors import ConfigError
from anura_train.batches.stored import StoredExamples, StoredPart, read_part, write_part
from anura_train.checkpoints.final import Checkpoint, load_checkpoint, load_logits, save_checkpoint
from anura_train.checkpoints.provenance import make_provenance
from anura_train.checkpoints.resume import fingerprint, save_final_weights
from anura_train.data import Corpus
from anura_train.data.folds import cross_validation_folds, training_part
from anura_train.head_recipe import HeadRecipe
from anura_train.models import build_network
from anura_train.models.birdnet.network import EMBEDDING
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_final, fit_fold
from anura_train.training.storing import make_parts, read_stored_examples

CPU = Fabric(accelerator="cpu", devices=1)
FREE = "somebody (weights)"


def part(examples: int, value: float) -> StoredPart:
    features = np.full((examples, 2, 3, 4), value, np.float16)
    return StoredPart(
        features, np.full((examples, EMBEDDING), value, np.float32), np.eye(examples, 3, dtype=np.float32)
    )


def test_part_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_part(tmp_path / "part-0", "same", part(3, 0.5))
    found = read_part(tmp_path / "part-0", "same")
    assert found
    np.testing.assert_array_equal(found.features, part(3, 0.5).features)
    np.testing.assert_array_equal(found.targets, part(3, 0.5).targets)
    assert read_part(tmp_path / "part-0", "other") is None
    assert read_part(tmp_path / "part-1", "same") is None


def test_each_example_has_its_own_features_targets_and_logits() -> None:
    logits = np.arange(15, dtype=np.float32).reshape(5, 3)
    examples = StoredExamples([part(2, 1.0), part(3, 2.0)], logits, np.random.default_rng(0))
    batch = examples.select(np.array([4, 0, 2]))
    assert batch.features is not None
    np.testing.assert_array_equal(batch.features[:, 0, 0, 0], [2, 1, 2])
    np.testing.assert_array_equal(batch.targets, np.eye(3)[[2, 0, 0]])
    np.testing.assert_array_equal(batch.teacher_logits, logits[[4, 0, 2]])


@pytest.fixture(scope="module")
def small(recipe: Recipe) -> Recipe:
    return Recipe.model_validate(
        recipe.model_dump()
        | {
            "id": "small",
            "model": {"kind": "small_birdnet", "channels": {3: 24}, "dropout": 0.0},
            "example_s": 3.0,
            "stored_examples": 100,
            "steps": 2,
            "distillation": {"label_weight": 0.1},
        }
    )


@pytest.fixture(scope="module")
def teacher(recipe: Recipe, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head on a BirdNET with random weights."""
    out = tmp_path_factory.mktemp("large")
    large = HeadRecipe(
        id="large",
        title="Large",
        version="1.0.0",
        seed=0,
        folds=3,
        fold_seed=recipe.split_seed,
        model={"kind": "birdnet"},
    )
    torch.manual_seed(0)
    network = build_network(large.model, len(corpus.labels())).eval()
    save_checkpoint(out, Checkpoint(network, make_provenance(large, corpus, corpus.frogs[0], frozen=FREE)))
    folds = cross_validation_folds(corpus, large.folds, large.split_seed)
    for fold in range(large.folds):
        identity = fingerprint(large, training_part(corpus, folds, fold))
        save_final_weights(out / "state" / f"fold-{fold}.pt", network, identity)
    return out


def test_small_network_is_trained_on_the_examples_of_other_folds(
    small: Recipe, corpus: Corpus, teacher: Path, shared_root: Path, tmp_path: Path
) -> None:
    make_parts(small, shared_root, tmp_path, teacher, 1)
    network = load_checkpoint(teacher).model
    everything = read_stored_examples(small, corpus, None, tmp_path, network)
    without_first = read_stored_examples(small, corpus, 0, tmp_path, network)
    assert everything.epoch_size == 99
    np.testing.assert_array_equal(without_first.targets, everything.targets[33:])
    context = RunContext(tmp_path, CPU)
    fit_fold(small, corpus, 0, context, lambda _: None, [teacher])
    fit_final(small, corpus, context, lambda _: None, [teacher])
    tested = {name for name, fold in cross_validation_folds(corpus, small.folds, small.split_seed).items() if fold == 0}
    assert set(load_logits(tmp_path / "fold-0.npz")) == tested
    provenance = load_checkpoint(tmp_path).provenance
    assert (provenance.teachers, provenance.frozen, provenance.licence) == (("Large",), FREE, "CC-BY-NC-SA-4.0")


def test_examples_of_another_recipe_are_not_used(small: Recipe, corpus: Corpus, teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lacks stored examples"):
        read_stored_examples(small, corpus, 0, tmp_path, load_checkpoint(teacher).model)


def test_teacher_of_another_kind_is_an_error(small: Recipe, corpus: Corpus, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="need a teacher whose recipe is of the kind `birdnet`"):
        read_stored_examples(small, corpus, 0, tmp_path, load_checkpoint(trained).model)
