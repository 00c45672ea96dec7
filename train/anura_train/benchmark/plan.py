"""A benchmark plan: which recipes are compared, and with what budget."""

from pathlib import Path
from typing import Any

from pydantic import Field

from anura_edge.config.yaml_loader import Section, load
from anura_edge.errors import ConfigError
from anura_train.recipe import Recipe, read_recipe


class PlanEntry(Section):
    """One recipe of the plan: one row of the table."""

    recipe: Path
    """Relative to the plan's folder."""
    variants: tuple[str, ...] = ()
    changes: dict[str, Any] = Field(default_factory=dict)
    """Changes to the recipe: a budget that the machine can afford."""

    @property
    def name(self) -> str:
        """Return the name of the recipe's file and the variants."""
        return " ".join([self.recipe.stem, *self.variants])

    @property
    def folder(self) -> str:
        """Return the name of the folder for its trainings."""
        return self.name.replace(" ", "-")

    def read(self, plan_folder: Path) -> Recipe:
        """Return the recipe with its changes; ConfigError when it is not valid."""
        return read_recipe(plan_folder / self.recipe, self.variants, self.changes)


class Comparison(Section):
    """Recipes that are compared with a baseline on the same recordings."""

    baseline: str
    """A name in the table."""
    others: tuple[str, ...]


class Plan(Section):
    """A benchmark plan."""

    recipes: tuple[PlanEntry, ...] = Field(min_length=1)
    comparison: Comparison | None = None
    leakage: PlanEntry | None = None
    """The recipe that is trained on windows split at random and on the same windows split by group."""


def read_plan(path: Path) -> Plan:
    """Read a plan and check its recipes; ConfigError names the file, the key and the problem."""
    plan = load(Plan, path, environment={})
    names = [entry.name for entry in plan.recipes]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{path}: {repeated.pop()} is listed twice; delete one of them")
    for entry in (*plan.recipes, *filter(None, [plan.leakage])):
        entry.read(path.parent)
    compared = (plan.comparison.baseline, *plan.comparison.others) if plan.comparison else ()
    if missing := set(compared) - set(names):
        raise ConfigError(f"{path}: comparison: {missing.pop()} is not in the table; it has {', '.join(names)}")
    return plan
