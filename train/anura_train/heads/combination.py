"""The weights that combine the head's score with BirdNET's logit, and calibrate the result."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from anura_edge.audio import FloatArray
from anura_train.evaluation.metrics import Truth
from anura_train.models.birdnet.transfer import NO_PRIOR, make_terms

BACKGROUND_WEIGHT = 0.1
"""Weight of a recording without a label, relative to one with a label: there are many more of them."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoredRecording:
    """Out-of-fold scores of the head and logits of BirdNET, both (windows, labels)."""

    scores: FloatArray
    priors: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Combination:
    """Weights of the terms of a logit, the same for all labels."""

    weights: FloatArray
    """Shape (terms,), in the order of `transfer.TERMS`."""
    offset: float
    known: NDArray[np.bool_]
    """Labels that BirdNET knows, (labels,)."""

    def __call__(self, recording: ScoredRecording) -> FloatArray:
        """Return logits (windows, labels)."""
        terms = _terms(recording.scores, recording.priors, self.known)
        return np.asarray(terms @ self.weights + self.offset, np.float32)


def published_scores(known: NDArray[np.bool_]) -> Combination:
    """Return the weights that give BirdNET's own logits, and NO_PRIOR for a label that it lacks."""
    return Combination(np.array([0, 0, 1, 0, -NO_PRIOR], np.float32), NO_PRIOR, known)


def fit_combination(
    recordings: Sequence[ScoredRecording], truth: Truth, known: NDArray[np.bool_], averaged_frames: int
) -> Combination:
    """Fit a logistic regression on the highest score of each recording; `truth` has the shape (recordings, labels)."""
    scores = np.stack([_highest(each.scores, averaged_frames) for each in recordings])
    priors = np.stack([_highest(each.priors, averaged_frames) for each in recordings])
    terms = _terms(scores, priors, known)
    weights = np.where(truth.any(1), 1.0, BACKGROUND_WEIGHT)
    model = LogisticRegression(max_iter=1_000)
    model.fit(terms.reshape(-1, terms.shape[2]), truth.reshape(-1), np.repeat(weights, truth.shape[1]))
    return Combination(np.asarray(model.coef_[0], np.float32), float(model.intercept_[0]), known)


def _terms(scores: FloatArray, priors: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    arrays = (np.asarray(each, np.float32) for each in (scores, priors, known))
    return np.asarray(make_terms(*map(torch.from_numpy, arrays)).numpy())


def _highest(values: FloatArray, averaged_frames: int) -> FloatArray:
    """Return the highest mean of adjacent frames, (labels,), of values (frames, labels)."""
    width = min(averaged_frames, len(values))
    means = np.lib.stride_tricks.sliding_window_view(values, width, axis=0).mean(2)
    return np.asarray(means.max(0))
