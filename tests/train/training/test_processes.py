"""Trainings run in processes of their own, on one device or several, and say how far they are."""

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
from anura_train.data import Corpus
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_fold
from anura_train.training.loop import Step
from anura_train.training.processes import Accelerator, ComputeSettings, TrainingTask, train_one
from anura_train.training.progress import ProgressDisplay, ProgressUpdate


def test_fit_takes_variants_and_tells_of_its_training(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "out"
    variants = {"short": {"steps": 2}, "small": {"batch_size": 2}}
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"variants": variants}))
    arguments = ["fit", "--recipe", str(path), "--data", str(root), "--out", str(out), "--fold", "1"]
    done = CliRunner().invoke(main.app, [*arguments, "--variant", "short", "--variant", "small"])
    assert done.exit_code == 0, done.output
    assert "tiny-short-small, fold 1: step 2 of 2, loss" in done.output
    assert load_logits(out / "fold-1.npz")


def test_a_training_that_fails_ends_the_command_with_its_reason(recipe: Recipe, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"parameter_groups": [{"prefix": "haed"}]}))
    arguments = ["fit", "--recipe", str(path), "--data", str(root), "--out", str(tmp_path), "--fold", "0"]
    done = CliRunner().invoke(main.app, arguments)
    assert isinstance(done.exception, ConfigError)
    assert "haed" in str(done.exception)


def test_two_devices_leave_behind_what_one_does(recipe: Recipe, root: Path, corpus: Corpus, tmp_path: Path) -> None:
    short = recipe.model_copy(update={"steps": 2})
    bench = RunContext(tmp_path / "one", ComputeSettings(Accelerator.CPU).fabric())
    fit_fold(short, corpus, 0, bench, lambda _: None)
    news = get_context("spawn").Queue()
    train_one(
        TrainingTask("short", short, root, tmp_path / "two", 0), ComputeSettings(Accelerator.CPU, devices=2), news
    )
    assert [news.get(timeout=10).step.number for _ in range(2)] == [1, 2]
    one, two = (load_logits(tmp_path / name / "fold-0.npz") for name in ("one", "two"))
    # Nearly the same: batch normalisation takes each device's part of a batch by itself.
    assert all(np.allclose(one[name], two[name], atol=0.2) for name in one)


def test_devices_that_are_missing_are_named() -> None:
    with pytest.raises(ConfigError, match="99 wanted"):
        ComputeSettings(Accelerator.CUDA, devices=99).fabric()


def test_a_person_sees_bars_and_a_log_gets_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    news: Queue[ProgressUpdate] = Queue()

    def shown() -> str:
        for number in range(1, 101):
            news.put(ProgressUpdate("fold 0", Step(number, of=100, loss=0.25, learning_rate=0.1)))
        with ProgressDisplay() as bars:
            bars.show(news)
        return capsys.readouterr().err

    assert shown() == "fold 0: step 50 of 100, loss 0.250\nfold 0: step 100 of 100, loss 0.250\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "100/100" in shown()
