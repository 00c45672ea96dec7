"""Embeddings of a data set with their labels, and the checks before anything is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError
from anura_train.batches.windows import codes_in_window
from anura_train.data import Corpus, Recording
from anura_train.data.folds import cross_validation_folds
from anura_train.data.progress import OnRecording
from anura_train.evaluation.metrics import Truth
from anura_train.head_recipe import HeadRecipe
from anura_train.heads.combination import ScoredRecording
from anura_train.heads.embeddings import EmbeddingStore
from anura_train.heads.frozen import prior_rows
from anura_train.heads.overlays import Overlay, plan_overlays
from anura_train.heads.ridge import Examples
from anura_train.models.birdnet.transfer import MIN_PRIOR, NO_PRIOR
from anura_train.models.window import HOP_S

MIN_OVERLAP_S = 0.1
"""A box labels a window if more than this part of it lies inside."""


@dataclass(frozen=True, slots=True, eq=False)
class HeadData:
    """Everything that a head is fitted on."""

    recordings: tuple[Recording, ...]
    """First those with a label, then the backgrounds."""
    labels: tuple[str, ...]
    fold: NDArray[np.intp]
    """The fold that each recording is tested in, (recordings,)."""
    embeddings: tuple[FloatArray, ...]
    """Of the windows of each recording, (windows, EMBEDDING)."""
    priors: tuple[FloatArray, ...]
    """BirdNET's logits of the labels, of each recording, (windows, labels)."""
    prior_rows: tuple[tuple[int, ...], ...]
    """For each label the numbers of BirdNET's species; none for a label that BirdNET lacks."""
    overlays: tuple[Overlay, ...]
    overlay_embeddings: FloatArray

    @property
    def known(self) -> NDArray[np.bool_]:
        """Labels that BirdNET has, (labels,)."""
        return np.array([bool(rows) for rows in self.prior_rows])

    @property
    def truth(self) -> Truth:
        """Which labels each recording has, (recordings, labels)."""
        return np.array([[label in each.codes for label in self.labels] for each in self.recordings])

    def examples(self, recipe: HeadRecipe, tested_fold: int | None) -> Examples:
        """Return the windows and mixtures for training, none of them made from a recording of the tested fold."""
        parts = [
            Examples(rows, self._targets(number, len(rows)), np.full(len(rows), number))
            for number in range(len(self.recordings))
            if self.fold[number] != tested_fold
            for rows in [self._training_windows(number, recipe.head.background_step)]
        ]
        whole = Examples(*(np.concatenate(arrays) for arrays in zip(*(_fields(each) for each in parts), strict=True)))
        return whole + self._overlay_examples(tested_fold) if self.overlays else whole

    def score(self, number: int, scores: FloatArray) -> ScoredRecording:
        """Return a recording's scores of a head, (windows, labels), with BirdNET's logits."""
        return ScoredRecording(scores, self.priors[number])

    def _training_windows(self, number: int, background_step: int) -> FloatArray:
        step = 1 if self.recordings[number].codes else background_step
        return self.embeddings[number][::step]

    def _targets(self, number: int, windows: int) -> Truth:
        recording = self.recordings[number]
        codes = [codes_in_window(recording, HOP_S * window, MIN_OVERLAP_S) for window in range(windows)]
        return np.array([[label in own for label in self.labels] for own in codes])

    def _overlay_examples(self, tested_fold: int | None) -> Examples:
        numbers = {each.name: number for number, each in enumerate(self.recordings)}
        sources = np.array([numbers[each.recording.name] for each in self.overlays])
        backgrounds = np.array([numbers[each.background.name] for each in self.overlays])
        wanted = (self.fold[sources] != tested_fold) & (self.fold[backgrounds] != tested_fold)
        return Examples(self.overlay_embeddings, self.truth[sources], sources).select(wanted)


def read_head_data(recipe: HeadRecipe, corpus: Corpus, store: EmbeddingStore, on_recording: OnRecording) -> HeadData:
    """Check the recipe against the data, then embed all recordings and mixtures.

    ConfigError for data without two labels or backgrounds, and for species that the recipe names and BirdNET lacks.
    """
    labels = corpus.labels()
    if len(labels) + bool(corpus.backgrounds) < 2:
        raise ConfigError(
            f"the data has {len(labels)} labels and {len(corpus.backgrounds)} recordings without one; a head needs two "
            "labels, or one and backgrounds. A label needs recordings of two groups"
        )
    rows = prior_rows(recipe.model, corpus, store.frozen.species)
    if not recipe.head.prior:
        rows = [[] for _ in labels]
    recordings = corpus.frogs + corpus.backgrounds
    folds = cross_validation_folds(corpus, recipe.folds, recipe.split_seed)
    embeddings = store.of_recordings(recordings, on_recording)
    overlays = _overlays(recipe, corpus, store.frozen.rate_hz)
    return HeadData(
        recordings=recordings,
        labels=labels,
        fold=np.array([folds[each.name] for each in recordings]),
        embeddings=tuple(embeddings),
        priors=tuple(label_priors(store, each, rows) for each in embeddings),
        prior_rows=tuple(map(tuple, rows)),
        overlays=overlays,
        overlay_embeddings=store.of_overlays(overlays, on_recording),
    )


def label_priors(store: EmbeddingStore, embeddings: FloatArray, rows: Sequence[Sequence[int]]) -> FloatArray:
    """Return BirdNET's logit of each label, (windows, labels), as `BirdnetTransfer.priors` computes them."""
    columns = [
        store.frozen.logits(embeddings, own).max(1).clip(MIN_PRIOR) if own else np.full(len(embeddings), NO_PRIOR)
        for own in rows
    ]
    return np.stack(columns, 1).astype(np.float32)


def _overlays(recipe: HeadRecipe, corpus: Corpus, rate_hz: int) -> tuple[Overlay, ...]:
    if not recipe.head.overlays:
        return ()
    labels = set(corpus.labels())
    labelled = [each for each in corpus.frogs if labels & set(each.codes)]
    return tuple(plan_overlays(labelled, corpus.backgrounds, recipe.head.overlays, rate_hz, recipe.seed))


def _fields(examples: Examples) -> tuple[FloatArray, Truth, NDArray[np.intp]]:
    return examples.embeddings, examples.targets, examples.recording
