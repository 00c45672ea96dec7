"""Trainings run in processes of their own, on one device or several, and report their progress."""

from multiprocessing import get_context
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from anura_edge.errors import ConfigError
from anura_train.checkpoints.final import load_logits
from anura_train.cli import main
from anura_train.recipe import Recipe
from anura_train.training.compute import Accelerator, ComputeSettings
from anura_train.training.loop import Step
from anura_train.training.processes import TrainingTask, make_fabric, train_one
from anura_train.training.progress import ProgressDisplay, ProgressUpdate


def test_fit_takes_variants_and_reports_progress(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "out"
    variants = {"short": {"steps": 2}, "small": {"batch_size": 2}}
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"variants": variants}))
    arguments = ["fit", "--recipe", str(path), "--data", str(root), "--out", str(out), "--fold", "1"]
    done = CliRunner().invoke(main.app, [*arguments, "--variant", "short", "--variant", "small"])
    assert done.exit_code == 0, done.output
    assert "tiny-short-small, fold 1: step 2 of 2, loss" in done.output
    assert load_logits(out / "fold-1.npz")


def test_a_failed_training_ends_the_command_with_its_error(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"parameter_groups": [{"prefix": "haed"}]}))
    arguments = ["fit", "--recipe", str(path), "--data", str(root), "--out", str(tmp_path), "--fold", "0"]
    done = CliRunner().invoke(main.app, arguments)
    assert isinstance(done.exception, ConfigError)
    assert "haed" in str(done.exception)


def test_two_devices_give_the_scores_of_one(short: Recipe, root: Path, trained: Path, tmp_path: Path) -> None:
    updates = get_context("spawn").Queue()
    train_one(
        TrainingTask("short", short, root, tmp_path / "two", 0), ComputeSettings(Accelerator.CPU, devices=2), updates
    )
    assert [updates.get(timeout=10).step.number for _ in range(2)] == [1, 2]
    one, two = (load_logits(out / "fold-0.npz") for out in (trained, tmp_path / "two"))
    # Not equal: batch normalization sees only the share of each device.
    assert all(np.allclose(one[name], two[name], atol=0.2) for name in one)


def test_missing_devices_are_named() -> None:
    with pytest.raises(ConfigError, match="99 wanted"):
        make_fabric(ComputeSettings(Accelerator.CUDA, devices=99))


def test_a_terminal_shows_bars_and_a_log_gets_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    updates: Queue[ProgressUpdate] = Queue()

    def show() -> str:
        for number in range(1, 101):
            updates.put(ProgressUpdate("fold 0", Step(number, of=100, loss=0.25, learning_rate=0.1)))
        with ProgressDisplay() as display:
            display.show(updates)
        return capsys.readouterr().err

    assert show() == "fold 0: step 50 of 100, loss 0.250\nfold 0: step 100 of 100, loss 0.250\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "100/100" in show()
