"""A benchmark plan: which recipes are compared, and with what budget."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anura_edge.errors import ConfigError
from anura_train.recipe import Recipe, read_recipe


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanEntry(_Strict):
    """One recipe of the plan: one row of the table."""

    recipe: Path
    """Relative to the plan's folder."""
    variants: tuple[str, ...] = ()
    changes: dict[str, Any] = {}
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


class Comparison(_Strict):
    """Recipes that are compared with a baseline on the same recordings."""

    baseline: str
    """A name in the table."""
    others: tuple[str, ...]


class Plan(_Strict):
    """A benchmark plan."""

    recipes: tuple[PlanEntry, ...] = Field(min_length=1)
    comparison: Comparison | None = None
    leakage: PlanEntry | None = None
    """The recipe that is trained on windows split at random and on the same windows split by group."""


def read_plan(path: Path) -> Plan:
    """Read a plan and check its recipes; ConfigError names the file, the key and the problem."""
    try:
        plan = Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read plan {path}: {error.strerror}; see train/benchmark.yaml") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {key}: {first['msg']}; see train/benchmark.yaml") from error
    names = [entry.name for entry in plan.recipes]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{path}: {repeated.pop()} is listed twice; delete one of them")
    for entry in (*plan.recipes, *filter(None, [plan.leakage])):
        entry.read(path.parent)
    compared = (plan.comparison.baseline, *plan.comparison.others) if plan.comparison else ()
    if missing := set(compared) - set(names):
        raise ConfigError(f"{path}: comparison: {missing.pop()} is not in the table; it has {', '.join(names)}")
    return plan
