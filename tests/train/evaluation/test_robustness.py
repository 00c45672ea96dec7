"""Perturbations do what their names say, and models score recordings that they were not trained on."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from anura_edge.errors import ModelError
from anura_train.cli import main
from anura_train.data import Corpus, Recording
from anura_train.evaluation import robustness
from anura_train.evaluation.predictions import read_predictions
from anura_train.evaluation.results import load_evaluation
from anura_train.evaluation.robustness import BackgroundNoise, perturbed_predictions
from anura_train.recipe import Recipe

RNG = np.random.default_rng(0)
RATE_HZ = 16_000


@pytest.fixture
def sound() -> np.ndarray:
    return (0.1 * np.sin(2 * np.pi * 3_000 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [20, 0])
def test_added_background_has_the_named_level(sound: np.ndarray, snr_db: int) -> None:
    rain = Recording(Path("rain.wav"), "rain", "rain", kind="rain")
    noise = BackgroundNoise((rain,), RATE_HZ, {"rain": RNG.normal(0, 0.3, RATE_HZ // 2).astype(np.float32)})
    added = robustness._add_noise(sound, RNG, noise=noise, snr_db=snr_db) - sound
    assert 10 * np.log10(np.mean(sound**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=0.1)


def test_a_lower_sampling_rate_removes_high_frequencies(sound: np.ndarray) -> None:
    removed = robustness._limit_bandwidth(sound, RNG, recorder_hz=4_000, rate_hz=RATE_HZ)
    assert len(removed) == len(sound)
    assert np.mean(removed**2) < 1e-3 * np.mean(sound**2)
    passed = robustness._limit_bandwidth(sound, RNG, recorder_hz=8_000, rate_hz=RATE_HZ)
    assert np.mean(passed**2) == pytest.approx(np.mean(sound**2), rel=0.02)


def test_every_condition_has_the_same_recordings(short: Recipe, corpus: Corpus, trained: Path) -> None:
    plain = read_predictions(trained, short, corpus)
    found = dict(perturbed_predictions(trained, short, corpus, plain))
    assert next(iter(found)) == "first 30 s"
    assert {"background at 0 dB SNR", "rain at 10 dB SNR", "gain of -20 dB", "recorder of 8 kHz"} <= set(found)
    for changed in found.values():
        assert changed.recordings == corpus.frogs
        assert all(np.isfinite(logits).all() for logits in changed.frame_logits.values())
    # The recordings are shorter than 30 s, so the models of the folds give the same scores again.
    for name, logits in found["first 30 s"].frame_logits.items():
        assert logits == pytest.approx(plain.frame_logits[name], abs=1e-5)
    again = dict(perturbed_predictions(trained, short, corpus, plain))
    for name, changed in found.items():
        assert all((again[name].frame_logits[each] == logits).all() for each, logits in changed.frame_logits.items())


def test_added_backgrounds_are_not_in_training_data(
    short: Recipe, corpus: Corpus, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = read_predictions(trained, short, corpus)
    used: set[str] = set()
    monkeypatch.setattr(
        robustness, "BackgroundNoise", lambda recordings, _: used.update(each.name for each in recordings)
    )
    for fold in range(short.folds):
        used.clear()
        robustness._conditions(fold, predictions, corpus, RATE_HZ)
        training_names = {
            each.name for each, part in zip(predictions.recordings, predictions.fold, strict=True) if part != fold
        }
        assert used
        assert used.isdisjoint(training_names)


def test_missing_weights_of_a_fold_are_named(short: Recipe, corpus: Corpus, trained: Path) -> None:
    predictions = read_predictions(trained, short, corpus)
    (trained / "state/fold-1.pt").unlink()
    with pytest.raises(ModelError, match="anura-train fit"):
        list(perturbed_predictions(trained, short, corpus, predictions))


@pytest.mark.usefixtures("train_in_process")
def test_the_command_evaluates_all_conditions(
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
    assert evaluation.find("mAP", "all", "rain at 10 dB SNR")
    assert evaluation.find("false alarms an hour tuned", "all", "background")
