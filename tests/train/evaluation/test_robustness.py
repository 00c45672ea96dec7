"""Recordings are made worse as they are said to be, and heard again by models that had not learnt from them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from lightning_fabric import Fabric

from anura_edge.errors import ModelError
from anura_train.cli import main
from anura_train.data import Corpus, Recording
from anura_train.evaluation import robustness
from anura_train.evaluation.predictions import read_predictions
from anura_train.evaluation.results import load_evaluation
from anura_train.evaluation.robustness import BackgroundNoise, perturbed_predictions
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_fold

RNG = np.random.default_rng(0)
RATE_HZ = 16_000


@pytest.fixture
def sound() -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * 3_000 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


@pytest.fixture
def fitted(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> Recipe:
    quick = recipe.model_copy(update={"steps": 2})
    for fold in range(quick.folds):
        fit_fold(quick, corpus, fold, RunContext(tmp_path, Fabric(accelerator="cpu", devices=1)), lambda _: None)
    return quick


@pytest.mark.parametrize("snr_db", [20, 0])
def test_background_is_as_loud_as_it_says(sound: np.ndarray, snr_db: int) -> None:
    rain = Recording(Path("rain.wav"), "rain", "rain", kind="rain")
    noises = BackgroundNoise((rain,), RATE_HZ, {"rain": RNG.normal(0, 0.3, RATE_HZ // 2).astype(np.float32)})
    added = robustness._noisy(sound, RNG, noises=noises, snr_db=snr_db) - sound
    assert 10 * np.log10(np.mean(sound**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.1)


def test_a_narrow_recorder_takes_away_what_lies_above_its_half(sound: np.ndarray) -> None:
    heard = robustness._narrow(sound, RNG, through_hz=4_000, rate_hz=RATE_HZ)
    assert len(heard) == len(sound)
    assert np.mean(heard**2) < 1e-3 * np.mean(sound**2)
    kept = robustness._narrow(sound, RNG, through_hz=8_000, rate_hz=RATE_HZ)
    assert np.mean(kept**2) == pytest.approx(np.mean(sound**2), rel=0.02)


def test_every_condition_hears_the_same_recordings(
    fitted: Recipe, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = read_predictions(tmp_path, fitted, corpus)
    heard = dict(perturbed_predictions(tmp_path, fitted, corpus, trial))
    assert next(iter(heard)) == "first 30 s"
    assert {"background at 0 dB SNR", "rain at 10 dB SNR", "gain of -20 dB", "recorder of 8 kHz"} <= set(heard)
    for worse in heard.values():
        assert worse.recordings == corpus.frogs
        assert all(np.isfinite(rows).all() for rows in worse.rows.values())
    # The recordings are shorter than what is heard again, so the folds' own models score them as they did.
    for name, rows in heard["first 30 s"].rows.items():
        assert rows == pytest.approx(trial.rows[name], abs=1e-5)
    again = dict(perturbed_predictions(tmp_path, fitted, corpus, trial))
    for name, worse in heard.items():
        assert all((again[name].rows[each] == rows).all() for each, rows in worse.rows.items())


def test_no_background_is_used_that_was_learnt_from(
    fitted: Recipe, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = read_predictions(tmp_path, fitted, corpus)
    used: set[str] = set()
    monkeypatch.setattr(
        robustness, "BackgroundNoise", lambda recordings, _: used.update(each.name for each in recordings)
    )
    for fold in range(fitted.folds):
        used.clear()
        robustness._conditions(fold, trial, corpus, RATE_HZ)
        learnt = {each.name for each, part in zip(trial.recordings, trial.fold, strict=True) if part != fold}
        assert used
        assert used.isdisjoint(learnt)


def test_without_the_weights_of_a_fold_it_says_so(fitted: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    trial = read_predictions(tmp_path, fitted, corpus)
    (tmp_path / "state/fold-1.pt").unlink()
    with pytest.raises(ModelError, match="anura-train fit"):
        list(perturbed_predictions(tmp_path, fitted, corpus, trial))


def test_the_command_measures_all_of_it(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"steps": 2}))
    where = ["--data", str(root), "--out", str(out)]
    for arguments in (["fit", "--recipe", str(path), *where], ["evaluate", *where, "--robustness"]):
        monkeypatch.setattr(sys, "argv", ["anura-train", *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert ended.value.code == 0
    assert "mean average precision" in capsys.readouterr().out
    evaluation = load_evaluation(out)
    assert evaluation.figure("mAP", "all", "rain at 10 dB SNR")
    assert evaluation.figure("false alarms an hour tuned", "all", "background")
