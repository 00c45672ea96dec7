"""Evaluation results on disk: a JSON file with everything, and the metrics as a CSV file."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, ValidationError

from anura_edge.config.yaml_loader import Section
from anura_edge.errors import ModelError
from anura_train.evaluation.bootstrap import Estimate

Frequency = Literal["frequent", "common", "rare"]
FREQUENCIES: tuple[Frequency, ...] = ("frequent", "common", "rare")

TEST_MEASURES = ("macro-F1 uncalibrated, at 0.5", "macro-F1 at 0.5", "macro-F1 tuned", "micro-F1 tuned", "mAP")

JSON, CSV = "evaluation.json", "evaluation.csv"


class FiniteSection(Section):
    """A part of an evaluation. Numbers that are not finite are errors."""

    model_config = ConfigDict(allow_inf_nan=False)


class MetricResult(FiniteSection):
    """The value of a metric with its 95 % interval. docs/reference/metrics.md defines each measure."""

    measure: str
    of: str = "all"
    """`all` labels that occur, `every species` of the data set, the labels of `several folds`, the `frequent`, `common`
    or `rare` ones, or one label."""
    condition: str = "as recorded"
    """Which recordings were scored, and how they were changed."""
    value: float | None
    """None where it is not defined, for example F1 of a species that no recording has."""
    low: float | None
    high: float | None
    """None where the bootstrap draws do not define an interval."""
    recordings: int
    """How many recordings were scored."""

    @classmethod
    def of_estimate(cls, measure: str, estimate: Estimate, condition: str, recordings: int, of: str = "all") -> Self:
        """Make a result of an estimate, whose NaN becomes None."""
        value, low, high = (
            None if math.isnan(each) else each for each in (estimate.value, estimate.low, estimate.high)
        )
        return cls(measure=measure, of=of, condition=condition, value=value, low=low, high=high, recordings=recordings)


class LabelSummary(FiniteSection):
    """A label and the recordings that it is evaluated on."""

    code: str
    frequency: Frequency
    recordings: int
    groups: int
    folds: int = 0
    """Number of folds that contain the label. If one, no model that is tested on it was trained on it."""


class Evaluation(FiniteSection):
    """All metrics of a recipe on a data set."""

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
    """Of the data set, including species that are no label: they can be neither trained nor tested."""
    test_recordings: int = 0
    """Recordings of the test part. The final model scores them, with calibration and thresholds from all folds."""
    test_with_species: int = 0
    test_labels: int = 0
    """Number of labels in the test part."""
    draws: int
    """Bootstrap draws behind each interval."""
    labels: tuple[LabelSummary, ...]
    figures: tuple[MetricResult, ...]

    def find(self, measure: str, of: str = "all", condition: str = "as recorded") -> MetricResult | None:
        """Return a metric by its names; None where it was not computed."""
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
    """Read OUT/evaluation.json; ModelError when it is missing or not valid."""
    try:
        return Evaluation.model_validate_json((out / JSON).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"no evaluation in {out}: {error}; run `anura-train evaluate` first") from error


def summary_of_test_part(evaluation: Evaluation) -> Iterator[str]:
    """Yield lines of text with the metrics of the test part; nothing where there is none."""
    if not evaluation.test_recordings:
        return
    yield (
        f"\nThe authors' test part: {evaluation.test_recordings} recordings, {evaluation.test_with_species} with a "
        f"species; {evaluation.test_labels} of {evaluation.species} species are both learnt and tested. The final "
        f"model, seed {evaluation.seed}; thresholds and calibration from {evaluation.folds} folds of the rest."
    )
    for condition in ("test", "test, recordings with a species"):
        for measure in TEST_MEASURES:
            for of, species in (("all", evaluation.test_labels), ("every species", evaluation.species)):
                found = evaluation.find(measure, of, condition)
                if found and found.value is not None and found.low is not None and found.high is not None:
                    interval = f"[{found.low:.3f}, {found.high:.3f}]"
                    yield f"{condition:32} {measure:30} {species:3d} species {found.value:6.3f} {interval}"
