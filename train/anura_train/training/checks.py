"""Checks before the first step of a training. Without them it could end after all folds, with nothing to show."""

import shutil
from pathlib import Path
from tempfile import TemporaryFile

from anura_edge.errors import ConfigError
from anura_train.data import Corpus
from anura_train.data.folds import cross_validation_folds
from anura_train.recipe import BaseRecipe

MIN_FREE_BYTES = 500_000_000
"""Trainings of the recipes in train/recipes write up to 220 MB: checkpoints, scores and embeddings."""


def check_before_training(recipe: BaseRecipe, corpus: Corpus, out: Path, fold: int | None = None) -> None:
    """Raise ConfigError if a training cannot end well with this data, in this folder.

    There must be a label, and enough groups for the folds; `fold` must be one of them; OUT must be a folder with room.
    """
    if not corpus.labels():
        raise ConfigError(
            "no species has two groups of recordings, so there is no label to train and to test; add recordings of"
            " other groups"
        )
    if fold is not None and not 0 <= fold < recipe.folds:
        raise ConfigError(f"--fold {fold}: the folds are 0 to {recipe.folds - 1}")
    cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    _check_folder(out)


def _check_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            free_bytes = shutil.disk_usage(out).free
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}; name a folder that can be written") from error
    if free_bytes < MIN_FREE_BYTES:
        raise ConfigError(
            f"--out {out}: {free_bytes / 1e6:.0f} MB are free, a training needs {MIN_FREE_BYTES / 1e6:.0f} MB; delete"
            " files, or name another folder"
        )
