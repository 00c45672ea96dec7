"""The scores of a whole data set, each recording scored by a model that was not trained on its group."""

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
from anura_train.recipe import BaseRecipe

NO_FOLD = -1
"""Fold number of recordings that are in no fold."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Recordings, their labels, and their out-of-fold scores."""

    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    """In the order of the scores."""
    fold: NDArray[np.int64]
    """The fold that each recording is tested in, (recordings,)."""
    frame_logits: FrameLogits
    """Logits of each recording by its name, (frames, labels)."""
    hop_s: float
    """From frame to frame."""
    window_s: float
    """Length of audio that a frame is computed from."""

    @property
    def truth(self) -> Truth:
        """Which labels each recording has, (recordings, labels)."""
        column = {label: number for number, label in enumerate(self.labels)}
        truth = np.zeros((len(self.recordings), len(self.labels)), bool)
        for row, each in zip(truth, self.recordings, strict=True):
            row[[column[code] for code in each.codes if code in column]] = True
        return truth

    @property
    def logits(self) -> FloatArray:
        """The highest logit of each recording for each label, (recordings, labels).

        It is the threshold at which the device would begin an event, so metrics of recordings are about events.
        """
        return np.stack([self.frame_logits[each.name].max(0) for each in self.recordings])

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each recording."""
        return tuple(each.group for each in self.recordings)

    @property
    def hours(self) -> float:
        """How much audio was scored."""
        return sum(map(self.duration_s, self.recordings)) / 3600

    def duration_s(self, recording: Recording) -> float:
        """Return how much audio of a recording was scored."""
        return (len(self.frame_logits[recording.name]) - 1) * self.hop_s + self.window_s

    def select(self, wanted: Sequence[bool] | Truth) -> "Predictions":
        """Return the predictions of some recordings, given as (recordings,)."""
        recordings = tuple(each for each, keep in zip(self.recordings, wanted, strict=True) if keep)
        return replace(self, recordings=recordings, fold=self.fold[np.asarray(wanted, bool)])

    def with_species(self) -> "Predictions":
        """Return the predictions of the recordings with a species."""
        return self.select([bool(each.codes) for each in self.recordings])

    def backgrounds(self) -> "Predictions":
        """Return the predictions of the recordings without a species."""
        return self.select([not each.codes for each in self.recordings])


def read_predictions(out: Path, recipe: BaseRecipe, corpus: Corpus) -> Predictions:
    """Read the scores of all folds in OUT; SourceError when `fit` did not write them for this data set."""
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    frame_logits: dict[str, FloatArray] = {}
    for fold in range(recipe.folds):
        frame_logits |= load_logits(out / f"fold-{fold}.npz")
    recordings = corpus.frogs + corpus.backgrounds
    check_logits(recordings, corpus.labels(), frame_logits, out)
    model = build_network(recipe.model, len(corpus.labels()))
    return Predictions(
        recordings=recordings,
        labels=corpus.labels(),
        fold=np.array([folds[each.name] for each in recordings]),
        frame_logits=frame_logits,
        hop_s=model.hop_samples / model.rate_hz,
        window_s=model.window_samples / model.rate_hz,
    )


def read_test_predictions(out: Path, predictions: Predictions, corpus: Corpus) -> Predictions | None:
    """Read the final model's scores of the test part; None when the data set has none.

    Raises SourceError when `fit` did not write them.
    """
    if not corpus.test:
        return None
    frame_logits = load_logits(out / TEST_LOGITS)
    check_logits(corpus.test, predictions.labels, frame_logits, out)
    fold = np.full(len(corpus.test), NO_FOLD)
    return replace(predictions, recordings=corpus.test, frame_logits=frame_logits, fold=fold)


def check_logits(recordings: Sequence[Recording], labels: Sequence[str], frame_logits: FrameLogits, out: Path) -> None:
    """Raise SourceError when a recording has no scores, or scores of another number of labels."""
    for each in recordings:
        if each.name not in frame_logits or frame_logits[each.name].shape[1] != len(labels):
            raise SourceError(f"{out} has no scores of {each.name} for {len(labels)} labels; run `anura-train fit`")
