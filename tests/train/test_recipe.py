"""A recipe is whole and known to the last key, or it is refused by name."""

from pathlib import Path

import pytest
import yaml

from anura_edge.errors import ConfigError
from anura_train.recipe import Recipe, read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "train/recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_recipes_that_we_ship_can_be_read(path: Path) -> None:
    assert read_recipe(path).title


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"stepps": 3}, "stepps"),
        ({"steps": 0}, "steps"),
        ({"model": {"kind": "stream", "width": 4, "hidden": 8, "dropout": 2}}, "dropout"),
        ({"model": {"kind": "perceptron"}}, "model"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, recipe: Recipe, changes: dict[str, object], named: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | changes))
    with pytest.raises(ConfigError, match=rf"recipe\.yaml: .*{named}"):
        read_recipe(path)


@pytest.mark.parametrize("text", ["", "[", "just words"])
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.yaml"):
        read_recipe(path)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")
