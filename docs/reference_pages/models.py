"""The page of the networks, and the pages of bundle manifest and recipe."""

from pathlib import Path

from anura_edge.inference import manifest
from anura_edge.inference.manifest import Manifest
from anura_train.benchmark.cost import LABEL_COUNT, cost_table, model_costs
from anura_train.head_recipe import HeadRecipe
from anura_train.recipe import Recipe
from reference_pages.fields import sections
from reference_pages.markdown import page

RECIPES = sorted((Path(__file__).parents[2] / "train/recipes").glob("*.yaml"))


def networks_page() -> str:
    """Return the page of the networks that the recipes define."""
    return page(
        "The networks of the recipes",
        "A recipe's name is its file in `train/recipes`, followed by the variant that changes its network. "
        "`anura-train models` counts parameters and million multiply-adds per second of audio (MMAC / s) with torch's "
        f"own counter, for {LABEL_COUNT} species and with the front end. A window model takes 3 s of audio and runs "
        "once a second; a stream model computes each moment once.",
        cost_table(model_costs(RECIPES)),
    )


def manifest_page() -> str:
    """Return the page of `manifest.json`."""
    graph = (manifest.__doc__ or "").strip().partition("\n\n")[2]
    return page(
        "Bundle manifest",
        "`manifest.json` in a model bundle says what the bundle contains and how its model was made. New optional "
        "fields may be added; none is renamed. A reader ignores fields that it does not know.",
        "## The graph",
        graph,
        "## Fields",
        *sections(Manifest),
    )


def recipe_page() -> str:
    """Return the page of the recipes' keys."""
    return page(
        "Recipe keys",
        "A recipe is a YAML file that defines one training; `train/recipes` has all of the project. An unknown key is "
        "refused. `variants:` maps names to parts of a recipe; `--variant NAME` merges one into the recipe.",
        *sections(Recipe),
        "## A head on a frozen network",
        *sections(HeadRecipe),
    )
