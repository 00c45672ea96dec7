"""What an evaluation leaves on disk: one JSON with everything, and its figures as one CSV."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from anura_edge.errors import ModelError

TEST_MEASURES = ("macro-F1 uncalibrated, at 0.5", "macro-F1 at 0.5", "macro-F1 tuned", "micro-F1 tuned", "mAP")

JSON, CSV = "evaluation.json", "evaluation.csv"


class StrictResult(BaseModel):
    """A part of an evaluation: frozen, an unknown key is an error, and so is a figure that is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MetricResult(StrictResult):
    """A figure with its 95 % interval. docs/reference/metrics.md says what each measure is."""

    measure: str
    of: str = "all"
    """`all` labels that are there, `every species` of the data set, those of `several folds`, `frequent`, `common` or
    `rare` ones, or a label."""
    condition: str = "as recorded"
    """What was listened to."""
    value: float | None
    """None where it is not defined, as F1 of a species that is in no recording."""
    low: float | None
    high: float | None
    """None where redrawing says nothing."""
    recordings: int
    """How many were listened to."""


class LabelSummary(StrictResult):
    """A label and what it was judged on."""

    code: str
    frequency: Literal["frequent", "common", "rare"]
    recordings: int
    groups: int
    folds: int = 0
    """Folds that have any: of one alone, no model had learnt it that was tested on it."""


class Evaluation(StrictResult):
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
    species: int = 0
    """Of the data set; those that are no label can be neither learnt nor tested."""
    test_recordings: int = 0
    """That the authors set aside; of the final model, with calibration and thresholds from all folds."""
    test_with_species: int = 0
    test_labels: int = 0
    """How many labels they have."""
    draws: int
    """Redraws behind each interval."""
    labels: tuple[LabelSummary, ...]
    figures: tuple[MetricResult, ...]

    def figure(self, measure: str, of: str = "all", condition: str = "as recorded") -> MetricResult | None:
        """Return a figure by its names; None where it was not measured."""
        wanted = (measure, of, condition)
        return next((each for each in self.figures if (each.measure, each.of, each.condition) == wanted), None)


def write_evaluation(out: Path, evaluation: Evaluation) -> None:
    """Write OUT/evaluation.json and OUT/evaluation.csv."""
    (out / JSON).write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
    with (out / CSV).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(MetricResult.model_fields))
        writer.writeheader()
        writer.writerows(each.model_dump() for each in evaluation.figures)


def load_evaluation(out: Path) -> Evaluation:
    """Read OUT/evaluation.json; ModelError when it is missing or not ours."""
    try:
        return Evaluation.model_validate_json((out / JSON).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"no evaluation in {out}: {error}; run `anura-train evaluate` first") from error


def summary_of_test_part(evaluation: Evaluation) -> Iterator[str]:
    """Yield, for people, the figures of what the authors set aside, with all that these need beside them."""
    if not evaluation.test_recordings:
        return
    yield (
        f"\nThe authors' test part: {evaluation.test_recordings} recordings, {evaluation.test_with_species} with a "
        f"species; {evaluation.test_labels} of {evaluation.species} species are both learnt and tested. The final "
        f"model, seed {evaluation.seed}; thresholds and calibration from {evaluation.folds} folds of the rest."
    )
    for condition in ("test", "test, recordings with a species"):
        for measure in TEST_MEASURES:
            for of, what in (("all", evaluation.test_labels), ("every species", evaluation.species)):
                figure = evaluation.figure(measure, of, condition)
                if figure and figure.value is not None and figure.low is not None and figure.high is not None:
                    interval = f"[{figure.low:.3f}, {figure.high:.3f}]"
                    yield f"{condition:32} {measure:30} {what:3d} species {figure.value:6.3f} {interval}"
