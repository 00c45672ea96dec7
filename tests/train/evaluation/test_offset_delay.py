"""How long a species is heard after its sound is counted from the sound's end, of what was heard in the sound."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric import Fabric

from anura_train.data import Corpus
from anura_train.evaluation.offset_delay import HISS_S, OFF, ON, offset_delay_metrics, offset_delay_s
from anura_train.evaluation.predictions import read_predictions
from anura_train.recipe import Recipe
from anura_train.training.folds import RunContext, fit_fold

ENDS_S = np.arange(1, 31) / 2


@given(st.integers(1, 29), st.integers(0, 29), st.sampled_from([0.0, 0.2]))
def test_it_is_heard_until_the_last_row_that_a_call_lasts_for(sound: int, after: int, quiet: float) -> None:
    rows = np.full(30, quiet, np.float32)
    rows[sound - 1] = ON
    rows[sound : sound + after] = OFF
    late_s = offset_delay_s(rows, ENDS_S, ENDS_S[sound - 1])
    assert late_s == min(after, 30 - sound) / 2


def test_what_was_not_heard_in_its_sound_says_nothing() -> None:
    rows = np.zeros(30, np.float32)
    rows[20:] = 1
    assert offset_delay_s(rows, ENDS_S, 10.0) is None


def test_models_that_hear_their_tones_are_measured(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    for fold in range(recipe.folds):
        fit_fold(recipe, corpus, fold, RunContext(tmp_path, Fabric(accelerator="cpu", devices=1)), lambda _: None)
    (figure,) = offset_delay_metrics(tmp_path, recipe, read_predictions(tmp_path, recipe, corpus))
    assert 0 < figure.recordings <= len(corpus.frogs)
    assert figure.value is not None
    assert 0 <= figure.value <= HISS_S
