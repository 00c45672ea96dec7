"""Calibration finds the true line; thresholds separate, and are fitted on other folds only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anura_train.data import Corpus
from anura_train.evaluation.evaluate import evaluate
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.thresholds import (
    THRESHOLD_GRID,
    Platt,
    apply_thresholds,
    best_threshold,
    f1_curve,
    fit_nested_thresholds,
    fit_platt,
    fit_thresholds,
)
from anura_train.recipe import Recipe

from .conftest import make_predictions


def test_platt_scaling_finds_the_line_that_made_the_truth() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20_000, 2)).astype(np.float32)
    true = Platt(0.7, -1.2)
    platt = fit_platt(logits, rng.random(logits.shape) < true(logits))
    assert platt.slope == pytest.approx(true.slope, abs=0.05)
    assert platt.offset == pytest.approx(true.offset, abs=0.05)


def test_the_best_threshold_separates_the_scores() -> None:
    truth = np.repeat(np.eye(3, dtype=bool), 4, axis=0)
    threshold = best_threshold(np.where(truth, 0.62, 0.31).astype(np.float32), truth, THRESHOLD_GRID)
    assert 0.31 < threshold <= 0.62


def test_thresholds_of_a_fold_do_not_depend_on_it(predicted: tuple[Corpus, Predictions]) -> None:
    _, predictions = predicted
    changed = dict(predictions.frame_logits)
    for recording, fold in zip(predictions.recordings, predictions.fold, strict=True):
        if fold == 0:
            changed[recording.name] = -changed[recording.name]
    before, after = (fit_nested_thresholds(each) for each in (predictions, replace(predictions, frame_logits=changed)))
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_labels_with_many_groups_have_their_own_calibration() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([np.arange(100) < 30, np.arange(100) >= 95], axis=1)
    logits = (rng.normal(0, 1, truth.shape) + [3, 1] * truth).astype(np.float32)
    own = fit_thresholds(logits, truth, [str(each) for each in range(100)])
    assert own.calibration[0] != own.calibration[1]
    shared = fit_thresholds(logits, truth, [str(each % 4) for each in range(100)])
    assert shared.calibration[0] == shared.calibration[1]
    assert shared.values[0] == shared.values[1]


def test_calibration_corrects_logits_that_are_too_sure(recipe: Recipe, tmp_path: Path) -> None:
    corpus, predictions = make_predictions(tmp_path, skill=3.0)
    logits = {name: 6 * each + 9 for name, each in predictions.frame_logits.items()}
    evaluation = evaluate(recipe, corpus, replace(predictions, frame_logits=logits))
    before, after = (evaluation.find(f"ECE {when} calibration") for when in ("before", "after"))
    assert before
    assert after
    assert after.value < before.value / 2
    scores = apply_thresholds(predictions, fit_nested_thresholds(predictions))
    curve = f1_curve(scores.calibrated[:, 0], predictions.truth[:, 0])
    assert 0 < curve.max() <= 1
