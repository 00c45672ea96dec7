"""A data set small enough to make for each run: three frogs that are tones, and backgrounds of noise."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings

from anura_train.data import Corpus, read_corpus
from anura_train.recipe import Recipe

# A slow machine is no wrong answer.
settings.register_profile("train", deadline=None)
settings.load_profile("train")

TONES_HZ = {"AAA": 800, "BBB": 2_000, "CCC": 4_500}
RATE_HZ = 16_000


@pytest.fixture(autouse=True)
def one_core() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of data with three labels, one species of a single group, and one background under the GPL."""
    rng = np.random.default_rng(0)
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    frogs = []
    for code, pitch_hz in TONES_HZ.items():
        for index in range(3):
            name = f"audio/{code}_{index}.flac"
            _write(tmp_path / "frogs" / name, 0.2 * np.sin(2 * np.pi * pitch_hz * time_s) + _noise(rng))
            frogs.append([name, code, f"Rana {code.lower()}", f"{code}{index}", "CC0", "somebody"])
    _write(tmp_path / "frogs/audio/DDD_0.flac", _noise(rng))
    frogs.append(["audio/DDD_0.flac", "DDD", "Rana rara", "DDD0", "CC BY-NC 4.0", "somebody"])
    backgrounds = []
    for index in range(4):
        name = f"audio/bg_{index}.flac"
        _write(tmp_path / "background" / name, _noise(rng))
        backgrounds.append([name, "rain", f"g{index}", "GPL-3" if index == 3 else "US public domain", "a park"])
    clips = []
    for name in ("audio/1-100-A.ogg", "audio/1-100-B.ogg", "audio/2-200-A.ogg"):
        _write(tmp_path / "esc10" / name, _noise(rng))
        clips.append([name, "Rain"])
    _table(tmp_path / "frogs/frogs.csv", "file,code,species,group,licence,attribution", frogs)
    _table(tmp_path / "background/background.csv", "file,kind,group,licence,attribution", backgrounds)
    _table(tmp_path / "esc10/esc10.csv", "file,label", clips)
    return tmp_path


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
            "batch": 8,
            "steps": 80,
            "learning_rate": 0.01,
            "weight_decay": 0.0,
            "average": 0.8,
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
            "golden": "frogs/audio/AAA_0.flac",
        }
    )


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 0.01, 3 * RATE_HZ)


def _write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE_HZ)


def _table(path: Path, header: str, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(","), *rows])
