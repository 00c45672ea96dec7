"""A training that is killed at any step resumes and ends with the same result."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from anura_edge.errors import ModelError
from anura_train.checkpoints.final import load_logits
from anura_train.data import Corpus
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_fold

TRAINING = """
import sys
from pathlib import Path
import torch
from lightning_fabric import Fabric
from anura_train.data import read_corpus
from anura_train.training.folds import RunContext, fit_fold
from anura_train.recipe import Recipe

torch.set_num_threads(1)
recipe = Recipe.model_validate_json(sys.argv[1])
context = RunContext(Path(sys.argv[3]), Fabric(accelerator="cpu", devices=1), checkpoint_steps=int(sys.argv[4]))
fit_fold(recipe, read_corpus(Path(sys.argv[2])), 1, context, lambda step: print(step.number, flush=True))
"""

WINDOWED = {
    "model": {"kind": "crnn", "width": 4, "hidden": 8, "dropout": 0.2},
    "example_s": 3.0,
    "steps": None,
    "epochs": 8,
    "augment": None,
    "schedule": "cosine",
    "early_stopping": {"validation_share": 0.3, "split": "windows", "patience": 20},
    "loss": {"kind": "boxes"},
    "windows": {
        "overlay_share": 0.5,
        "overlay_snr_db": [0, 10],
        "mixup_share": 0.5,
        "gain_db": [-6, 6],
        "mask_share": 0.5,
        "mask_frames": 9,
    },
}


@pytest.fixture(params=[{"steps": 20}, WINDOWED], ids=["mixtures", "windows"])
def random_recipe(request: pytest.FixtureRequest, recipe: Recipe) -> Recipe:
    """Two recipes that together use every random choice of a recipe."""
    changes: dict[str, Any] = request.param
    return Recipe.model_validate(recipe.model_dump() | {"batch_size": 4} | changes)


def context(out: Path, checkpoint_steps: int = 5) -> RunContext:
    return RunContext(out, Fabric(accelerator="cpu", devices=1), checkpoint_steps=checkpoint_steps)


def train_and_kill(arguments: list[str], at: int) -> None:
    """Train in another process, and kill it (SIGKILL) after it has reported a number of steps."""
    with subprocess.Popen([sys.executable, "-c", TRAINING, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) >= at:
                process.kill()
                break
    assert process.returncode == -9


def read_results(out: Path) -> tuple[dict[str, np.ndarray], str, dict[str, torch.Tensor]]:
    state = torch.load(out / "state/fold-1.pt", weights_only=True)
    return load_logits(out / "fold-1.npz"), (out / "log/fold-1.csv").read_text(), state["result"]


def test_a_killed_training_resumes_with_the_same_result(
    random_recipe: Recipe, root: Path, corpus: Corpus, tmp_path: Path
) -> None:
    steps: list[int] = []
    fit_fold(random_recipe, corpus, 1, context(tmp_path / "whole"), lambda step: steps.append(step.number))
    rng = np.random.default_rng()
    checkpoint_steps, first = int(rng.integers(1, 5)), int(rng.integers(1, len(steps) - 6))
    out = tmp_path / "killed"
    train_and_kill([random_recipe.model_dump_json(), str(root), str(out), str(checkpoint_steps)], first)
    assert not (out / "fold-1.npz").exists()
    resumed: list[int] = []
    fit_fold(random_recipe, corpus, 1, context(out, checkpoint_steps), lambda step: resumed.append(step.number))
    # It resumes at the last checkpoint. It may have done some more steps before the kill.
    assert first - checkpoint_steps < resumed[0], (checkpoint_steps, first)
    logits, log, weights = read_results(out)
    expected_logits, expected_log, expected_weights = read_results(tmp_path / "whole")
    assert log == expected_log
    assert all(torch.equal(weights[name], value) for name, value in expected_weights.items())
    assert logits.keys() == expected_logits.keys()
    assert all(np.array_equal(logits[name], value) for name, value in expected_logits.items())


def steps_of(recipe: Recipe, corpus: Corpus, out: Path) -> list[int]:
    steps: list[int] = []
    fit_fold(recipe, corpus, 0, context(out), lambda step: steps.append(step.number))
    return steps


def test_a_finished_training_is_not_repeated(short: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    assert steps_of(short, corpus, tmp_path) == [1, 2]
    before = load_logits(tmp_path / "fold-0.npz")
    assert steps_of(short, corpus, tmp_path) == []
    after = load_logits(tmp_path / "fold-0.npz")
    assert all(np.array_equal(after[name], logits) for name, logits in before.items())


def test_another_recipe_or_other_data_starts_again(short: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    steps_of(short, corpus, tmp_path)
    assert steps_of(short.model_copy(update={"seed": 9, "steps": 3}), corpus, tmp_path) == [1, 2, 3]
    fewer = corpus.filter_recordings(lambda recording: recording.name != corpus.frogs[-1].name)
    assert steps_of(short, fewer, tmp_path) == [1, 2]


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("harmed", "w"))


@pytest.mark.parametrize("content", [b"", b"not a state", {"training": {}}, Harm()])
def test_a_damaged_checkpoint_is_refused_and_runs_no_code(
    short: Recipe, corpus: Corpus, tmp_path: Path, content: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state/fold-0.pt"
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ModelError, match=r"fold-0\.pt.*delete it"):
        steps_of(short, corpus, tmp_path)
    assert not (tmp_path / "harmed").exists()
