"""A small data set, and a recipe that learns it in seconds."""

from pathlib import Path

import pytest
import torch
from data_sets import write_frogs, write_raw
from hypothesis import settings

from anura_train.data import Corpus, read_corpus
from anura_train.recipe import Recipe

# A slow machine is no wrong answer.
settings.register_profile("train", deadline=None)
settings.load_profile("train")


@pytest.fixture(autouse=True)
def one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_frogs(tmp_path)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """AnuraSet as it is unpacked, with seconds instead of minutes."""
    return write_raw(tmp_path / "raw")


@pytest.fixture
def corpus(root: Path) -> Corpus:
    return read_corpus(root)


@pytest.fixture
def recipe() -> Recipe:
    """A stream model so small that it learns the three tones in seconds."""
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
