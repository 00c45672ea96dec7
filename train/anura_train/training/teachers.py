"""Takes teachers from what other trainings left; they must know nothing of what the student is tested on."""

from collections.abc import Sequence
from pathlib import Path

from anura_edge.errors import ConfigError
from anura_train.checkpoints.final import Checkpoint, load_checkpoint
from anura_train.checkpoints.resume import fingerprint, load_final_weights
from anura_train.data import Corpus
from anura_train.data.folds import cross_validation_folds
from anura_train.models import Net, build_network
from anura_train.models.window import WINDOW_S, WindowNet
from anura_train.recipe import Recipe
from anura_train.training.distillation import Teachers
from anura_train.training.logit_cache import LogitCache


def load_teachers(
    folders: Sequence[Path], recipe: Recipe, corpus: Corpus, learnt: Corpus, fold: int | None
) -> Teachers | None:
    """Return each folder's model of a fold, which learnt from the same recordings as the student will; None for none.

    Without a fold, the final models. Raises ConfigError if the recipe has no `distillation`, if it has and no folder is
    given, and for teachers of other folds, labels or lengths; ModelError for a folder without models.
    """
    if bool(folders) != bool(recipe.distillation):
        wanted = (
            "names no teacher; give `anura-train distill --teacher FOLDER`"
            if recipe.distillation
            else "has no `distillation`"
        )
        raise ConfigError(f"recipe {recipe.id} {wanted}")
    if not folders:
        return None
    networks = [_load(each, recipe, corpus, learnt, fold) for each in folders]
    memory = LogitCache(folders[0] / "said" / f"{'final' if fold is None else f'fold-{fold}'}.db")
    return Teachers(networks, recipe.example_s, memory)


def _load(folder: Path, recipe: Recipe, corpus: Corpus, learnt: Corpus, fold: int | None) -> Net:
    checkpoint = load_checkpoint(folder)
    _check(folder, checkpoint, recipe, corpus)
    if fold is None:
        return checkpoint.model.requires_grad_(requires_grad=False)
    teacher = checkpoint.provenance.recipe
    model = build_network(teacher.model, len(checkpoint.provenance.species))
    model.load_state_dict(load_final_weights(folder / "state" / f"fold-{fold}.pt", fingerprint(teacher, learnt)))
    return model.eval().requires_grad_(requires_grad=False)


def _check(folder: Path, checkpoint: Checkpoint, recipe: Recipe, corpus: Corpus) -> None:
    provenance = checkpoint.provenance
    if tuple(species.code for species in provenance.species) != corpus.labels():
        raise ConfigError(f"teacher {folder} knows other species than the data; train it on the same")
    own = provenance.recipe
    if cross_validation_folds(corpus, own.folds, own.split_seed) != cross_validation_folds(
        corpus, recipe.folds, recipe.split_seed
    ):
        raise ConfigError(
            f"teacher {folder} was tested on other folds, so it has heard what the student is tested on; "
            f"give both recipes the same `folds` and `fold_seed`"
        )
    if isinstance(checkpoint.model, WindowNet) and recipe.example_s != WINDOW_S:
        raise ConfigError(f"teacher {folder} hears windows of {WINDOW_S} s; set example_s of recipe {recipe.id} to it")
