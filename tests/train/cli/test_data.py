"""The data commands print a summary, write what `fit` reads, and report all errors together."""

import sys
from pathlib import Path

import pytest
import yaml

from anura_edge.errors import SourceError
from anura_train.cli import main
from anura_train.data import read_corpus
from anura_train.recipe import Recipe


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run `anura-train` as a shell would, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["anura-train", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    return int(ended.value.code or 0)


def test_anuraset_windows_are_built_and_pass_the_check(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "windows"
    arguments = ("--raw", raw, "--out", out, "--no-band-pass", "--no-normalise", "--min-overlap-s", "0.2")
    assert run(monkeypatch, "data", "anuraset", *arguments) == 0
    printed = capsys.readouterr().out
    assert "SPHSUR Sphaenorhynchus surdus" in printed
    assert "split: " in printed
    assert "nights: " in printed
    assert len(read_corpus(out).recordings) == 78
    assert run(monkeypatch, "data", "check", out) == 0


def test_a_written_data_set_can_be_checked_and_synthesised(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, made = tmp_path / "read", tmp_path / "made"
    assert run(monkeypatch, "data", "read", "frogs", root, "--out", read) == 0
    assert read_corpus(read).labels() == read_corpus(root).labels()
    assert run(monkeypatch, "data", "check", read) == 0
    assert "warning: species DDD" in capsys.readouterr().err
    options = ("--count", 2, "--duration-s", 5, "--folds", 2, "--snr-db", 3, 3, "--labels", "audacity")
    assert run(monkeypatch, "data", "synth", "--data", read, "--out", made, *options) == 0
    assert len(read_corpus(made).recordings) == 2
    assert run(monkeypatch, "data", "synth", "--data", read, "--out", made, "--calls", 3, 1) == 2
    assert "--calls 3 1: the lower value comes first" in capsys.readouterr().err


def test_data_with_errors_is_refused_before_training(
    root: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "recipe.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    (root / "frogs/audio/AAA_1.flac").unlink()
    (root / "frogs/audio/BBB_1.flac").write_bytes(b"no sound")
    assert run(monkeypatch, "fit", "--recipe", path, "--data", root, "--out", out) == SourceError.exit_code
    report = capsys.readouterr().err
    assert "2 errors in the data" in report
    assert "AAA_1.flac: missing" in report
    assert "BBB_1.flac: cannot decode" in report
    assert not list(out.glob("*"))


def test_strict_treats_warnings_as_errors(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "check", root, "--strict") == SourceError.exit_code
    assert "1 error in the data:\n  species DDD" in capsys.readouterr().err


def test_a_missing_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for layout in ("frogs", "folder", "anuraset-raw", "anuraset-windows", "raven", "audacity", "esc"):
        assert run(monkeypatch, "data", "check", tmp_path / "nowhere", "--layout", layout) == SourceError.exit_code
        assert "nowhere" in capsys.readouterr().err
