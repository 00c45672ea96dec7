"""The offset delay is the time from the end of the sound to the last frame that continues a detection."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric

from anura_train.data import Corpus
from anura_train.evaluation.offset_delay import (
    HISS_S,
    OFFSET_THRESHOLD,
    ONSET_THRESHOLD,
    offset_delay_metrics,
    offset_delay_s,
)
from anura_train.evaluation.predictions import read_predictions
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_fold

ENDS_S = np.arange(1, 31) / 2


@given(st.integers(1, 29), st.integers(0, 29), st.sampled_from([0.0, 0.2]))
def test_the_delay_ends_at_the_last_frame_above_the_threshold(sound: int, after: int, quiet: float) -> None:
    probabilities = np.full(30, quiet, np.float32)
    probabilities[sound - 1] = ONSET_THRESHOLD
    probabilities[sound : sound + after] = OFFSET_THRESHOLD
    assert offset_delay_s(probabilities, ENDS_S, ENDS_S[sound - 1]) == min(after, 30 - sound) / 2


def test_a_species_not_detected_in_the_sound_has_no_delay() -> None:
    probabilities = np.zeros(30, np.float32)
    probabilities[20:] = 1
    assert offset_delay_s(probabilities, ENDS_S, 10.0) is None


def test_delays_of_trained_models_are_measured(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    recipe = recipe.model_copy(update={"steps": 40})
    for fold in range(recipe.folds):
        fit_fold(recipe, corpus, fold, RunContext(tmp_path, Fabric(accelerator="cpu", devices=1)), lambda _: None)
    (delay,) = offset_delay_metrics(tmp_path, recipe, read_predictions(tmp_path, recipe, corpus))
    assert 0 < delay.recordings <= len(corpus.frogs)
    assert delay.value is not None
    assert 0 <= delay.value <= HISS_S
