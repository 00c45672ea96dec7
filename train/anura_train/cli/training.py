"""The commands `anura-train fit` and `anura-train distill`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from anura_train.cli.data import progress, read_and_check
from anura_train.cli.options import (
    EMBEDDINGS,
    Cache,
    Data,
    Devices,
    Digits,
    Fold,
    Jobs,
    Out,
    Recipes,
    Tensorboard,
    Variants,
    Where,
    Workers,
)
from anura_train.data import Corpus
from anura_train.data.folds import published_fold_count
from anura_train.data.readers.layouts import layout_of
from anura_train.training.compute import Accelerator, ComputeSettings, Precision

if TYPE_CHECKING:
    from anura_train.head_recipe import HeadRecipe
    from anura_train.recipe import Recipe

R = TypeVar("R", "Recipe", "HeadRecipe")


def fit_command(
    recipe: Recipes,
    data: Data,
    out: Out,
    variant: Variants = [],  # noqa: B006  # typer copies it
    pretrained: Annotated[
        Path | None, typer.Option(help="Pretrained weights. They replace model.pretrained of the recipe.")
    ] = None,
    fold: Fold = None,
    jobs: Jobs = 2,
    accelerator: Where = Accelerator.AUTO,
    devices: Devices = 1,
    precision: Digits = Precision.FULL,
    tensorboard: Tensorboard = False,
    workers: Workers = None,
    cache: Cache = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Refuse data and weights whose licence forbids commercial use.")
    ] = False,
) -> None:
    """Train a recipe: one model for each fold, which is tested on it, and the final model on all data.

    If a training was killed, the same command resumes it.

    Example: anura-train fit --recipe train/recipes/student_stream.yaml --data ../data --out build/train/student_stream
    """
    from anura_train.cli.commercial import check_commercial_use
    from anura_train.head_recipe import HeadRecipe, read_any_recipe

    settings = ComputeSettings(accelerator, devices, precision, tensorboard, workers)
    weights = {"model": {"pretrained": pretrained}} if pretrained else None
    chosen = read_any_recipe(recipe, variant, weights)
    if commercial:
        check_commercial_use(chosen, data)
    if isinstance(chosen, HeadRecipe):
        _fit_head(chosen, data, out, cache or out / EMBEDDINGS, jobs)
    else:
        _train(chosen, data, out, fold, settings, jobs, ())


def distill_command(
    recipe: Recipes,
    teacher: Annotated[
        list[Path],
        typer.Option(help="Folder of a teacher: OUT of `fit` for a recipe with the same folds. Can be repeated."),
    ],
    data: Data,
    out: Out,
    variant: Variants = [],  # noqa: B006  # typer copies it
    fold: Fold = None,
    jobs: Jobs = 2,
    accelerator: Where = Accelerator.AUTO,
    devices: Devices = 1,
    precision: Digits = Precision.FULL,
    tensorboard: Tensorboard = False,
    workers: Workers = None,
) -> None:
    """Train a recipe like `fit`, with the scores of teachers as further targets.

    The teachers of a fold are the models of the same fold, which were not trained on its recordings either.

    Example: anura-train distill --recipe train/recipes/student_distilled.yaml --teacher build/train/teacher_yamnet
    --data ../data --out build/train/student_distilled
    """
    from anura_train.recipe import read_recipe

    settings = ComputeSettings(accelerator, devices, precision, tensorboard, workers)
    chosen = read_recipe(recipe, variant)
    _train(chosen, data, out, fold, settings, jobs, tuple(teacher))


def _train(
    recipe: "Recipe",
    data: Path,
    out: Path,
    fold: int | None,
    settings: ComputeSettings,
    jobs: int,
    teachers: tuple[Path, ...],
) -> None:
    from anura_train.training.checks import check_before_training
    from anura_train.training.processes import TrainingTask, train_all
    from anura_train.training.storing import make_parts

    corpus = read_and_check(data, layout_of(data))
    recipe = _with_published_folds(recipe, corpus)
    check_before_training(recipe, corpus, out, fold)
    if recipe.stored_examples and teachers:
        make_parts(recipe, data, out, teachers[0], jobs)
    folds: list[int | None] = [*range(recipe.folds), None] if fold is None else [fold]
    train_all([TrainingTask(recipe.id, recipe, data, out, each, teachers) for each in folds], settings, jobs)


def _fit_head(recipe: "HeadRecipe", data: Path, out: Path, cache: Path, jobs: int) -> None:
    """Fit a head on a frozen network, which is read first: a wrong file is an error before the data is decoded."""
    from anura_train.heads.embeddings import EmbeddingStore
    from anura_train.heads.fit import fit_head
    from anura_train.training.checks import check_before_training

    store = EmbeddingStore(recipe.model, cache, jobs)
    corpus = read_and_check(data, layout_of(data))
    recipe = _with_published_folds(recipe, corpus)
    check_before_training(recipe, corpus, out)
    fit_head(recipe, corpus, store, out, progress("recordings embedded"))


def _with_published_folds(recipe: R, corpus: Corpus) -> R:
    """Return a recipe with as many folds as the data has published ones, if it has any."""
    published = published_fold_count(corpus)
    if not published or published == recipe.folds:
        return recipe
    typer.echo(f"The data has {published} published folds. They replace the {recipe.folds} of the recipe.")
    return recipe.model_copy(update={"folds": published})
