"""A whole data set as models heard it that had not learnt from it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.checkpoints.final import TEST_LOGITS, FrameLogits, load_logits
from anura_train.data import Corpus, Recording
from anura_train.data.folds import cross_validation_folds
from anura_train.evaluation.metrics import Truth
from anura_train.models import build_network
from anura_train.recipe import Recipe

NO_FOLD = -1
"""Stands for the fold of what was in none."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Recordings, what is in them, and what the model of another fold scored them."""

    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    """In the order of the scores."""
    fold: NDArray[np.int64]
    """The fold that each recording was tested in, (recordings,)."""
    rows: FrameLogits
    """Logits of each recording by its name, (rows, labels)."""
    step_s: float
    """From row to row."""
    span_s: float
    """What a row hears."""

    @property
    def truth(self) -> Truth:
        """Which species are in which recording, (recordings, labels)."""
        place = {label: number for number, label in enumerate(self.labels)}
        truth = np.zeros((len(self.recordings), len(self.labels)), bool)
        for row, each in zip(truth, self.recordings, strict=True):
            row[[place[code] for code in each.codes if code in place]] = True
        return truth

    @property
    def logits(self) -> FloatArray:
        """A recording's score for a label is its highest row, (recordings, labels)."""
        return np.stack([self.rows[each.name].max(0) for each in self.recordings])

    @property
    def groups(self) -> tuple[str, ...]:
        """Each recording's group."""
        return tuple(each.group for each in self.recordings)


def read_predictions(out: Path, recipe: Recipe, corpus: Corpus) -> Predictions:
    """Read the folds that `fit` left in OUT; SourceError when they were fitted on other data or not at all."""
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    rows: dict[str, FloatArray] = {}
    for fold in range(recipe.folds):
        rows |= load_logits(out / f"fold-{fold}.npz")
    recordings = corpus.frogs + corpus.backgrounds
    check_logits(recordings, corpus.labels(), rows, out)
    model = build_network(recipe.model, len(corpus.labels()))
    return Predictions(
        recordings=recordings,
        labels=corpus.labels(),
        fold=np.array([folds[each.name] for each in recordings]),
        rows=rows,
        step_s=model.hop_samples / model.rate_hz,
        span_s=model.window_samples / model.rate_hz,
    )


def read_test_predictions(out: Path, trial: Predictions, corpus: Corpus) -> Predictions | None:
    """Read the final model's scores of what the authors set aside, if they did; SourceError when `fit` left none."""
    if not corpus.test:
        return None
    rows = load_logits(out / TEST_LOGITS)
    check_logits(corpus.test, trial.labels, rows, out)
    return replace(trial, recordings=corpus.test, rows=rows, fold=np.full(len(corpus.test), NO_FOLD))


def check_logits(recordings: Sequence[Recording], labels: Sequence[str], rows: FrameLogits, out: Path) -> None:
    """Raise SourceError when a recording has no scores, or scores of other labels."""
    for each in recordings:
        if each.name not in rows or rows[each.name].shape[1] != len(labels):
            raise SourceError(f"{out} has no scores of {each.name} for {len(labels)} labels; run `anura-train fit`")
