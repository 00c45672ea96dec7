"""Recipes are valid, or refused with the name of the key."""

from pathlib import Path

import pytest
import torch
import yaml

from anura_edge.errors import ConfigError
from anura_train.head_recipe import read_any_recipe
from anura_train.models import build_network
from anura_train.recipe import Recipe, read_recipe, variant_names
from anura_train.training.loop import make_optimizer

RECIPES = sorted((Path(__file__).parents[2] / "train/recipes").glob("*.yaml"))


@pytest.mark.parametrize(
    ("path", "variant"),
    [(path, variant) for path in RECIPES for variant in [(), *((each,) for each in variant_names(path))]],
    ids=lambda value: value.stem if isinstance(value, Path) else " ".join(value),
)
def test_shipped_recipe_is_valid(path: Path, variant: tuple[str, ...]) -> None:
    recipe = read_any_recipe(path, variant)
    assert recipe.id == "-".join([read_any_recipe(path).id, *variant])
    assert type(recipe).model_validate_json(recipe.to_json()) == recipe


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_shipped_recipe_matches_its_network(path: Path) -> None:
    """The network can be built, and has parameters for each group of the recipe."""
    for variant in [(), *((each,) for each in variant_names(path))]:
        recipe = read_any_recipe(path, variant)
        with torch.device("cpu" if recipe.model.kind == "stream" else "meta"):
            network = build_network(recipe.model, 42)
            if isinstance(recipe, Recipe):
                make_optimizer(network, recipe)


def test_variants_are_merged_in_order(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "recipe.yaml"
    variants = {"wide": {"model": {"width": 16}}, "long": {"steps": 9, "model": {"hidden": 99}}, "plain": None}
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | {"variants": variants}, sort_keys=False))
    assert variant_names(path) == ("wide", "long", "plain")
    changed = read_recipe(path, ("wide", "long", "plain"))
    assert (changed.id, changed.title) == ("tiny-wide-long-plain", "Three tones, wide, long, plain")
    model = recipe.model.model_copy(update={"width": 16, "hidden": 99})
    assert changed.model_copy(update={"id": recipe.id, "title": recipe.title}) == recipe.model_copy(
        update={"model": model, "steps": 9}
    )
    with pytest.raises(ConfigError, match="no variant 'short'; it has wide, long, plain"):
        read_recipe(path, ("short",))


def test_recipe_json_round_trip(recipe: Recipe) -> None:
    assert "optimizer" not in recipe.to_json()
    assert Recipe.model_validate_json(recipe.to_json()) == recipe


def test_recipes_exist() -> None:
    assert RECIPES


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"stepps": 3}, "stepps"),
        ({"steps": 0}, "steps"),
        ({"model": {"kind": "stream", "width": 4, "hidden": 8, "dropout": 2}}, "dropout"),
        ({"model": {"kind": "perceptron"}}, "model"),
        ({"windows": {}}, "either `augment` or `windows`"),
        ({"epochs": 3}, "either `steps` or `epochs`"),
        ({"early_stopping": {"validation_share": 0.1, "split": "groups", "patience": 1}}, "no epochs"),
        ({"model": {"kind": "crnn", "width": 8, "hidden": 8, "dropout": 0}}, "examples of 3 s"),
        ({"augment": None, "windows": {}}, "windows are 3 s long"),
        ({"batch_size": 9, "sequence_length": 2}, "not a multiple of `sequence_length`"),
        ({"model": {"kind": "yamnet", "dropout": 0}, "example_s": 3, "sequence_length": 2}, "remove `sequence_length`"),
        ({"loss": {"kind": "boxes"}}, "kind crnn"),
    ],
)
def test_invalid_key_or_value_is_named(tmp_path: Path, recipe: Recipe, changes: dict[str, object], named: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | changes))
    with pytest.raises(ConfigError, match=rf"recipe\.yaml:\d+: .*{named}"):
        read_recipe(path)


@pytest.mark.parametrize("text", ["", "[", "just words"])
def test_invalid_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"recipe\.yaml"):
        read_recipe(path)


def test_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({"average": 0.9}, "average", "ema_decay"),
        ({"layers": [{"begins": "head."}]}, "layers", "prefix"),
        ({"augment": None, "windows": {"mixup": 2.0}}, "mixup", "mixup_alpha"),
        ({"loss": {"kind": "surest_rows"}}, "surest_rows", "topk_pooling"),
    ],
)
def test_renamed_key_is_refused_with_its_new_name(
    tmp_path: Path, recipe: Recipe, changes: dict[str, object], old: str, new: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | changes))
    with pytest.raises(ConfigError, match=rf"recipe\.yaml:\d+: (?=.*{old}).*{new}"):
        read_recipe(path)
