"""A training that is killed at any moment goes on and ends as if it had not been."""

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
bench = RunContext(Path(sys.argv[3]), Fabric(accelerator="cpu", devices=1), keep_every=int(sys.argv[4]))
fit_fold(recipe, read_corpus(Path(sys.argv[2])), 1, bench, lambda step: print(step.number, flush=True))
"""

CUT = {
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


@pytest.fixture(params=[{"steps": 20}, CUT], ids=["mixed", "cut"])
def lively(request: pytest.FixtureRequest, recipe: Recipe) -> Recipe:
    """Two recipes that between them leave everything to chance that a recipe can."""
    changes: dict[str, Any] = request.param
    return Recipe.model_validate(recipe.model_dump() | {"batch_size": 4} | changes)


def bench(out: Path, keep_every: int = 5) -> RunContext:
    return RunContext(out, Fabric(accelerator="cpu", devices=1), keep_every=keep_every)


def killed(arguments: list[str], at: int) -> None:
    """Train in a process of its own, and kill it (SIGKILL) once it has said that it did so many steps."""
    with subprocess.Popen([sys.executable, "-c", TRAINING, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) >= at:
                process.kill()
                break
    assert process.returncode == -9


def left_behind(out: Path) -> tuple[dict[str, np.ndarray], str, dict[str, torch.Tensor]]:
    state = torch.load(out / "state/fold-1.pt", weights_only=True)
    return load_logits(out / "fold-1.npz"), (out / "log/fold-1.csv").read_text(), state["result"]


def test_a_training_killed_at_a_random_step_ends_as_if_it_had_not_been(
    lively: Recipe, root: Path, corpus: Corpus, tmp_path: Path
) -> None:
    steps: list[int] = []
    fit_fold(lively, corpus, 1, bench(tmp_path / "whole"), lambda step: steps.append(step.number))
    rng = np.random.default_rng()
    keep_every, first = int(rng.integers(1, 5)), int(rng.integers(1, len(steps) - 6))
    out = tmp_path / "killed"
    killed([lively.model_dump_json(), str(root), str(out), str(keep_every)], first)
    assert not (out / "fold-1.npz").exists()
    went_on: list[int] = []
    fit_fold(lively, corpus, 1, bench(out, keep_every), lambda step: went_on.append(step.number))
    # It goes on from where it was last kept, and may have done some steps more when the kill reached it.
    assert first - keep_every < went_on[0], (keep_every, first)
    rows, log, weights = left_behind(out)
    expected_rows, expected_log, expected_weights = left_behind(tmp_path / "whole")
    assert log == expected_log
    assert all(torch.equal(weights[name], value) for name, value in expected_weights.items())
    assert rows.keys() == expected_rows.keys()
    assert all(np.array_equal(rows[name], value) for name, value in expected_rows.items())


@pytest.fixture
def short(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"steps": 2})


def steps_of(recipe: Recipe, corpus: Corpus, out: Path) -> list[int]:
    steps: list[int] = []
    fit_fold(recipe, corpus, 0, bench(out), lambda step: steps.append(step.number))
    return steps


def test_what_has_ended_is_not_done_again(short: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    assert steps_of(short, corpus, tmp_path) == [1, 2]
    before = load_logits(tmp_path / "fold-0.npz")
    assert steps_of(short, corpus, tmp_path) == []
    after = load_logits(tmp_path / "fold-0.npz")
    assert all(np.array_equal(after[name], rows) for name, rows in before.items())


def test_another_recipe_or_other_data_begins_anew(short: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    steps_of(short, corpus, tmp_path)
    assert steps_of(short.model_copy(update={"seed": 9, "steps": 3}), corpus, tmp_path) == [1, 2, 3]
    fewer = corpus.filter_recordings(lambda recording: recording.name != corpus.frogs[-1].name)
    assert steps_of(short, fewer, tmp_path) == [1, 2]


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, ("harmed", "w"))


@pytest.mark.parametrize("content", [b"", b"not a state", {"training": {}}, Harm()])
def test_a_state_that_is_none_is_refused_and_runs_no_code(
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
