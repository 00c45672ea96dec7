"""Which recipes stand in the table, and with what budget."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anura_edge.errors import ConfigError
from anura_train.recipe import Recipe, read_recipe


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanEntry(_Strict):
    """One line of the table."""

    recipe: Path
    """Beside the plan, or below it."""
    variants: tuple[str, ...] = ()
    changes: dict[str, Any] = {}
    """What is laid over the recipe: a budget that the machine can afford."""

    @property
    def name(self) -> str:
        """Return the recipe's file and the variants."""
        return " ".join([self.recipe.stem, *self.variants])

    def read(self, home: Path) -> Recipe:
        """Return the recipe with its budget; ConfigError when it is none."""
        return read_recipe(home / self.recipe, self.variants, self.changes)


class Comparison(_Strict):
    """Recipes that another is compared with, pair by pair, on the same recordings."""

    baseline: str
    """A name in the table."""
    others: tuple[str, ...]


class Plan(_Strict):
    """All of the table."""

    recipes: tuple[PlanEntry, ...] = Field(min_length=1)
    comparison: Comparison | None = None
    leakage: PlanEntry | None = None
    """The recipe that learns windows split at random, and windows split by group."""


def read_plan(path: Path) -> Plan:
    """Read a plan and all of its recipes; ConfigError names the file, the key and what is wrong with it."""
    try:
        plan = Plan.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"cannot read plan {path}: {error.strerror}; see train/results.yaml") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{path}: {where}: {first['msg']}; see train/results.yaml") from error
    names = [entry.name for entry in plan.recipes]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"{path}: {twice.pop()} is listed twice; delete one of them")
    for entry in (*plan.recipes, *filter(None, [plan.leakage])):
        entry.read(path.parent)
    wanted = (plan.comparison.baseline, *plan.comparison.others) if plan.comparison else ()
    if missing := set(wanted) - set(names):
        raise ConfigError(f"{path}: comparison: {missing.pop()} is not in the table; it has {', '.join(names)}")
    return plan
