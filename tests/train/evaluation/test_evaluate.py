"""A trial becomes figures: perfect where hearing is, chance where it is not, the same in any order."""

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
from anura_train.evaluation.thresholds import apply_thresholds, f1_curve, fit_nested_thresholds, fit_thresholds
from anura_train.recipe import Recipe

from .conftest import make_trial, shuffled


def value(evaluation, *names: str) -> float:  # type: ignore[no-untyped-def]  # noqa: ANN001
    figure = evaluation.figure(*names)
    assert figure is not None
    assert figure.value is not None
    return float(figure.value)


def test_perfect_hearing_is_perfect_everywhere(recipe: Recipe, tmp_path: Path) -> None:
    corpus, trial = make_trial(tmp_path, skill=40.0)
    evaluation = evaluate(recipe, corpus, trial)
    for measure in ("macro-F1 at 0.5", "macro-F1 tuned", "micro-F1 at 0.5", "mAP", "AUROC", "PSDS"):
        assert value(evaluation, measure) == pytest.approx(1), measure
        assert value(evaluation, measure, "all") == evaluation.figure(measure).low  # type: ignore[union-attr]
    assert value(evaluation, "1-s segment macro-F1 at 0.5") == 1
    assert value(evaluation, "accuracy", "all", "recordings with a species") == 1
    assert value(evaluation, "ECE after calibration") < 0.01
    assert value(evaluation, "false alarms an hour at 0.5", "all", "background") == 0


def test_deaf_hearing_is_chance(recipe: Recipe, tmp_path: Path) -> None:
    corpus, trial = make_trial(tmp_path, skill=0.0, groups=100)
    evaluation = evaluate(recipe, corpus, trial)
    assert value(evaluation, "AUROC") == pytest.approx(0.5, abs=0.1)
    assert value(evaluation, "mAP") == pytest.approx(0.25, abs=0.1)
    assert value(evaluation, "PSDS") < 0.1


def test_every_interval_holds_its_figure(recipe: Recipe, made: tuple[Corpus, Predictions]) -> None:
    figures = evaluate(recipe, *made).figures
    assert {each.condition for each in figures} >= {"as recorded", "site pond", "site creek", "background"}
    for each in figures:
        if each.value is not None and each.low is not None and each.high is not None:
            assert each.low <= each.value <= each.high
    names = [(each.measure, each.of, each.condition) for each in figures]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("seed", range(2))
def test_the_order_of_recordings_does_not_matter(recipe: Recipe, made: tuple[Corpus, Predictions], seed: int) -> None:
    corpus, trial = made
    first, second = evaluate(recipe, corpus, trial), evaluate(recipe, corpus, shuffled(trial, seed))
    for one, other in zip(first.figures, second.figures, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-5), one.measure


def test_nothing_of_a_fold_decides_about_it(made: tuple[Corpus, Predictions]) -> None:
    _, trial = made
    before = fit_nested_thresholds(trial)[0]
    changed = dict(trial.rows)
    for recording, fold in zip(trial.recordings, trial.fold, strict=True):
        if fold == 0:
            changed[recording.name] = -changed[recording.name]
    again = Predictions(trial.recordings, trial.labels, trial.fold, changed, trial.step_s, trial.span_s)
    assert fit_nested_thresholds(again)[0] == before
    assert fit_nested_thresholds(again)[1] != fit_nested_thresholds(trial)[1]


def test_labels_of_enough_groups_have_a_calibration_of_their_own() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([np.arange(100) < 30, np.arange(100) >= 95], axis=1)
    logits = (rng.normal(0, 1, truth.shape) + [3, 1] * truth).astype(np.float32)
    choice = fit_thresholds(logits, truth, [str(each) for each in range(100)])
    assert choice.calibration[0] != choice.calibration[1]
    shared = fit_thresholds(logits, truth, [str(each % 4) for each in range(100)])
    assert shared.calibration[0] == shared.calibration[1]
    assert shared.thresholds[0] == shared.thresholds[1]


def test_calibration_mends_logits_that_boast(recipe: Recipe, tmp_path: Path) -> None:
    corpus, trial = make_trial(tmp_path, skill=3.0)
    rows = {name: 6 * row + 9 for name, row in trial.rows.items()}
    boasting = Predictions(trial.recordings, trial.labels, trial.fold, rows, trial.step_s, trial.span_s)
    evaluation = evaluate(recipe, corpus, boasting)
    assert value(evaluation, "ECE after calibration") < value(evaluation, "ECE before calibration") / 2
    judged = apply_thresholds(trial, fit_nested_thresholds(trial))
    curve = f1_curve(judged.calibrated[:, 0], trial.truth[:, 0])
    assert 0 < curve.max() <= 1


def test_what_is_written_is_what_is_read(recipe: Recipe, made: tuple[Corpus, Predictions], tmp_path: Path) -> None:
    evaluation = evaluate(recipe, *made)
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
