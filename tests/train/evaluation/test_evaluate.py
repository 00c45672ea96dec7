"""Metrics are perfect for perfect scores, chance for random ones, and the same for any order of recordings."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from data_sets import write_frogs

from anura_edge.errors import ModelError, SourceError
from anura_train.checkpoints.final import save_logits
from anura_train.data import Corpus, read_corpus
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.predictions import Predictions, read_predictions
from anura_train.evaluation.results import CSV, JSON, load_evaluation, write_evaluation
from anura_train.recipe import Recipe

from .conftest import make_predictions, shuffle


def value(evaluation, *names: str) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    found = evaluation.find(*names)
    assert found is not None
    assert found.value is not None
    return float(found.value)


def test_perfect_scores_give_perfect_metrics(recipe: Recipe, tmp_path: Path) -> None:
    evaluation = evaluate(recipe, *make_predictions(tmp_path, skill=40.0))
    for measure in ("macro-F1 at 0.5", "macro-F1 tuned", "micro-F1 at 0.5", "mAP", "AUROC", "PSDS"):
        assert value(evaluation, measure) == pytest.approx(1), measure
        assert value(evaluation, measure, "all") == evaluation.find(measure).low  # type: ignore[union-attr]
    assert value(evaluation, "1-s segment macro-F1 at 0.5") == 1
    assert value(evaluation, "accuracy", "all", "recordings with a species") == 1
    assert value(evaluation, "ECE after calibration") < 0.01
    assert value(evaluation, "false alarms an hour at 0.5", "all", "background") == 0


def test_random_scores_give_chance(recipe: Recipe, tmp_path: Path) -> None:
    evaluation = evaluate(recipe, *make_predictions(tmp_path, skill=0.0, groups=100))
    assert value(evaluation, "AUROC") == pytest.approx(0.5, abs=0.1)
    assert value(evaluation, "mAP") == pytest.approx(0.25, abs=0.1)
    assert value(evaluation, "PSDS") < 0.1


def test_every_interval_contains_its_value(recipe: Recipe, predicted: tuple[Corpus, Predictions]) -> None:
    figures = evaluate(recipe, *predicted).figures
    assert {each.condition for each in figures} >= {"as recorded", "site pond", "site creek", "background"}
    for each in figures:
        if each.value is not None and each.low is not None and each.high is not None:
            assert each.low <= each.value <= each.high
    names = [(each.measure, each.of, each.condition) for each in figures]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_recordings_does_not_matter(
    recipe: Recipe, predicted: tuple[Corpus, Predictions], seed: int
) -> None:
    corpus, predictions = predicted
    first, second = evaluate(recipe, corpus, predictions), evaluate(recipe, corpus, shuffle(predictions, seed))
    for one, other in zip(first.figures, second.figures, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-5), one.measure


def test_a_written_evaluation_reads_back_equal(
    recipe: Recipe, predicted: tuple[Corpus, Predictions], tmp_path: Path
) -> None:
    evaluation = evaluate(recipe, *predicted)
    write_evaluation(tmp_path, evaluation)
    assert load_evaluation(tmp_path) == evaluation
    with (tmp_path / CSV).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["measure"], row["of"]) for row in rows] == [(each.measure, each.of) for each in evaluation.figures]
    broken = json.loads((tmp_path / JSON).read_text()) | {"typo": 1}
    (tmp_path / JSON).write_text(json.dumps(broken))
    with pytest.raises(ModelError, match="anura-train evaluate"):
        load_evaluation(tmp_path)


def test_scores_of_other_data_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    corpus = read_corpus(write_frogs(tmp_path))
    for fold in range(recipe.folds):
        save_logits(tmp_path / f"fold-{fold}.npz", {f"other-{fold}": np.zeros((1, 3), np.float32)})
    with pytest.raises(SourceError, match="anura-train fit"):
        read_predictions(tmp_path, recipe, corpus)
