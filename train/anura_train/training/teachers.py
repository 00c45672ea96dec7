"""Loads teachers from the folders of other trainings, and checks that they were not trained on the student's tests."""

from collections.abc import Sequence
from pathlib import Path

from anura_edge.errors import ConfigError
from anura_train.checkpoints.array_cache import ArrayCache
from anura_train.checkpoints.final import Checkpoint, load_checkpoint
from anura_train.checkpoints.resume import fingerprint, load_fold_model
from anura_train.data import Corpus
from anura_train.data.folds import cross_validation_folds
from anura_train.models import Net
from anura_train.models.window import WINDOW_S, WindowNet
from anura_train.recipe import Recipe
from anura_train.training.distillation import Teachers


def load_teachers(
    folders: Sequence[Path], recipe: Recipe, corpus: Corpus, training_corpus: Corpus, fold: int | None
) -> Teachers | None:
    """Return the model of a fold from each folder, or the final models if there is no fold; None without folders.

    The models were trained on the same recordings as the student will be. Raises ConfigError when the recipe has no
    `distillation` section for teachers, or has one and gets no teacher, and for teachers with other folds, labels or
    example lengths. Raises ModelError for a folder without the models.
    """
    if bool(folders) != bool(recipe.distillation):
        problem = "has no `distillation`"
        if recipe.distillation:
            problem = "names no teacher; give `anura-train distill --teacher FOLDER`"
        raise ConfigError(f"recipe {recipe.id} {problem}")
    if not folders:
        return None
    networks = [_load(each, recipe, corpus, training_corpus, fold) for each in folders]
    cache = ArrayCache(folders[0] / "logit-cache" / f"{'final' if fold is None else f'fold-{fold}'}.db")
    return Teachers(networks, recipe.example_s, cache)


def _load(folder: Path, recipe: Recipe, corpus: Corpus, training_corpus: Corpus, fold: int | None) -> Net:
    checkpoint = load_checkpoint(folder)
    _check(folder, checkpoint, recipe, corpus)
    model = checkpoint.model
    if fold is not None:
        teacher = checkpoint.provenance.recipe
        labels = len(checkpoint.provenance.species)
        model = load_fold_model(folder, teacher, labels, fold, fingerprint(teacher, training_corpus))
    return model.requires_grad_(requires_grad=False)


def _check(folder: Path, checkpoint: Checkpoint, recipe: Recipe, corpus: Corpus) -> None:
    provenance = checkpoint.provenance
    if tuple(species.code for species in provenance.species) != corpus.labels():
        raise ConfigError(f"teacher {folder} has other species than the data; train it on the same data")
    own, wanted = (cross_validation_folds(corpus, each.folds, each.split_seed) for each in (provenance.recipe, recipe))
    if own != wanted:
        raise ConfigError(
            f"teacher {folder} has other folds, so it was trained on recordings that the student is tested on; "
            f"give both recipes the same `folds` and `fold_seed`"
        )
    if isinstance(checkpoint.model, WindowNet) and recipe.example_s != WINDOW_S:
        raise ConfigError(f"teacher {folder} takes windows of {WINDOW_S} s; set example_s of recipe {recipe.id} to it")
