"""A small data set, a recipe that learns it in seconds, and trainings that tests share."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from data_sets import write_frogs, write_raw
from lightning_fabric import Fabric

from anura_train.batches.build import prepare_training_data
from anura_train.data import Corpus, read_corpus
from anura_train.models import Net
from anura_train.recipe import Recipe
from anura_train.training import processes
from anura_train.training.compute import ComputeSettings
from anura_train.training.folds import RunContext, fit_final, fit_fold
from anura_train.training.loop import fit
from anura_train.training.processes import TrainingTask, make_fabric

# UMAP compiles for ten seconds, and then projects a few points in milliseconds. Interpreted, it needs two seconds.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    """Let torch use one thread. UMAP sets more, which would slow down all later trainings."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that no test changes."""
    return write_frogs(tmp_path_factory.mktemp("frogs"))


@pytest.fixture
def root(shared_root: Path, tmp_path: Path) -> Path:
    """A copy of the data set that a test may change."""
    return shutil.copytree(shared_root, tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def shared_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AnuraSet after unpacking, with seconds instead of minutes. No test changes it."""
    return write_raw(tmp_path_factory.mktemp("anuraset"))


@pytest.fixture
def raw(shared_raw: Path, tmp_path: Path) -> Path:
    """A copy of AnuraSet that a test may change."""
    return shutil.copytree(shared_raw, tmp_path / "raw")


@pytest.fixture(scope="session")
def corpus(shared_root: Path) -> Corpus:
    return read_corpus(shared_root)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """A stream model that is small enough to learn the three tones in seconds."""
    return Recipe.model_validate(
        {
            "id": "tiny",
            "title": "Three tones",
            "version": "0.0.1",
            "seed": 3,
            "folds": 3,
            "model": {"kind": "stream", "width": 8, "hidden": 16, "dropout": 0.0},
            "example_s": 2.0,
            "batch_size": 8,
            "steps": 80,
            "learning_rate": 0.01,
            "weight_decay": 0.0,
            "ema_decay": 0.8,
            "augment": {
                "background_only": 0.25,
                "two_species": 0.25,
                "with_background": 0.5,
                "snr_db": [0, 10],
                "level_dbfs": [-40, -20],
                "speed": [0.98, 1.02],
                "low_pass": 0.3,
                "mask_frames": 8,
                "mask_mels": 4,
            },
            "golden_clip": "frogs/audio/AAA_0.flac",
        }
    )


@pytest.fixture(scope="session")
def short(recipe: Recipe) -> Recipe:
    """Two steps: too few to learn anything, enough to write every file."""
    return recipe.model_copy(update={"steps": 2})


@pytest.fixture(scope="session")
def shared_out(short: Recipe, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short training, of all folds and the final one. No test changes it."""
    context = RunContext(tmp_path_factory.mktemp("trained") / "teacher", Fabric(accelerator="cpu", devices=1))
    for fold in range(short.folds):
        fit_fold(short, corpus, fold, context, lambda _: None)
    fit_final(short, corpus, context, lambda _: None)
    return context.out


@pytest.fixture
def trained(shared_out: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a short training that a test may change."""
    return shutil.copytree(shared_out, tmp_path / "trained")


@pytest.fixture(scope="session")
def tone_model(recipe: Recipe, corpus: Corpus) -> Net:
    """A model that was trained on the three tones of all recordings."""
    return fit(recipe, prepare_training_data(recipe, corpus, corpus.labels()), lambda _: None)


@pytest.fixture
def train_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands train without other processes, each of which would import torch."""

    def train_all(tasks: Sequence[TrainingTask], settings: ComputeSettings, jobs: int) -> None:
        for task in tasks:
            context, corpus = RunContext(task.out, make_fabric(settings)), read_corpus(task.data)
            if task.fold is None:
                fit_final(task.recipe, corpus, context, lambda _: None, task.teachers)
            else:
                fit_fold(task.recipe, corpus, task.fold, context, lambda _: None, task.teachers)

    monkeypatch.setattr(processes, "train_all", train_all)
