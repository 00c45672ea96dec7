"""What would end a training after its last fold ends it before the first step, with one message."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from anura_edge.errors import AnuraError, ConfigError, SourceError
from anura_train.cli.main import app
from anura_train.recipe import Recipe
from anura_train.training import checks, processes

FROGS = "frogs/frogs.csv"


def edit(root: Path, change: Callable[[dict[str, str]], object]) -> None:
    """Change each row of the table of frogs."""
    with (root / FROGS).open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with (root / FROGS).open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def add_row(root: Path, row: str) -> None:
    """Add a line to the table of frogs."""
    with (root / FROGS).open("a") as file:
        file.write(f"{row}\n")


def one_group_each(root: Path) -> None:
    """Put all recordings of a species into one group."""
    edit(root, lambda row: row.update(group=row["code"]))


def nothing(_root: Path) -> None:
    """Leave the data as it is."""


@pytest.mark.parametrize(
    ("change", "recipe_changes", "options", "error", "message"),
    [
        (nothing, {"folds": 20}, [], ConfigError, "cannot fill 20 folds"),
        (nothing, {}, ["--fold", "7"], ConfigError, "--fold 7: the folds are 0 to 2"),
        (nothing, {"golden": "x"}, [], ConfigError, "golden"),
        (one_group_each, {}, [], ConfigError, "no species has two groups of recordings"),
        (lambda root: edit(root, lambda row: row.update(code="")), {}, [], SourceError, "code"),
        (lambda root: add_row(root, "audio/no.flac,EEE,Rana e,e,CC0,x"), {}, [], SourceError, "no.flac: missing"),
    ],
    ids=["folds too many", "no such fold", "unknown key", "no label", "recording without label", "missing recording"],
)
def test_fit_refuses_what_cannot_end_well_before_the_first_step(
    root: Path,
    tmp_path: Path,
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    recipe_changes: dict[str, object],
    options: list[str],
    error: type[AnuraError],
    message: str,
) -> None:
    change(root)
    refused(root, tmp_path / "out", recipe, monkeypatch, recipe_changes, options, error, message)
    assert not list((tmp_path / "out").glob("*"))


def test_fit_refuses_a_folder_that_cannot_be_written(
    root: Path, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    refused(root, file / "out", recipe, monkeypatch, {}, [], ConfigError, "name a folder that can be written")


def test_fit_refuses_a_full_disk(root: Path, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MIN_FREE_BYTES", 10**18)
    refused(root, tmp_path / "out", recipe, monkeypatch, {}, [], ConfigError, "MB are free, a training needs")


def refused(
    root: Path,
    out: Path,
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    recipe_changes: dict[str, object],
    options: list[str],
    error: type[AnuraError],
    message: str,
) -> None:
    """Run `fit`, and check its one message and that no training began."""
    monkeypatch.setattr(processes, "train_all", lambda *_: pytest.fail("a training began"))
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe.model_dump(mode="json"), **recipe_changes}))
    arguments = ["fit", "--recipe", path, "--data", root, "--out", out, *options]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert isinstance(result.exception, error)
    assert message in str(result.exception)
