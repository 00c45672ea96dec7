"""What an evaluation leaves on disk: one JSON with everything, and its figures as one CSV."""

import csv
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from anura_edge.errors import ModelError

JSON, CSV = "evaluation.json", "evaluation.csv"


class Strict(BaseModel):
    """A part of an evaluation: frozen, an unknown key is an error, and so is a figure that is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Figure(Strict):
    """A figure with its 95 % interval. docs/reference/metrics.md says what each measure is."""

    measure: str
    of: str = "all"
    """All labels, `frequent`, `common` or `rare` ones, or a label."""
    condition: str = "as recorded"
    """What was listened to."""
    value: float | None
    """None where it is not defined, as F1 of a species that is in no recording."""
    low: float | None
    high: float | None
    """None where redrawing says nothing."""
    recordings: int
    """How many were listened to."""


class Label(Strict):
    """A label and what it was judged on."""

    code: str
    frequency: Literal["frequent", "common", "rare"]
    recordings: int
    groups: int


class Evaluation(Strict):
    """Everything that was measured of a recipe on a data set."""

    schema_version: Literal[1] = 1
    recipe: str
    title: str
    seed: int
    folds: int
    recordings: int
    with_species: int
    """How many of them have a label."""
    groups: int
    background_hours: float
    draws: int
    """Redraws behind each interval."""
    labels: tuple[Label, ...]
    figures: tuple[Figure, ...]

    def figure(self, measure: str, of: str = "all", condition: str = "as recorded") -> Figure | None:
        """Return a figure by its names; None where it was not measured."""
        wanted = (measure, of, condition)
        return next((each for each in self.figures if (each.measure, each.of, each.condition) == wanted), None)


def write_evaluation(out: Path, evaluation: Evaluation) -> None:
    """Write OUT/evaluation.json and OUT/evaluation.csv."""
    (out / JSON).write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with (out / CSV).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(Figure.model_fields))
        writer.writeheader()
        writer.writerows(each.model_dump() for each in evaluation.figures)


def load_evaluation(out: Path) -> Evaluation:
    """Read OUT/evaluation.json; ModelError when it is missing or not ours."""
    try:
        return Evaluation.model_validate_json((out / JSON).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"no evaluation in {out}: {error}; run `anura-train evaluate` first") from error
