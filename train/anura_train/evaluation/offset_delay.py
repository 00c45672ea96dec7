"""How long a species is detected after its sound has ended. Event offsets and the gaps of a chorus depend on it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_train.checkpoints.resume import load_fold_model
from anura_train.data import Recording, load_audio
from anura_train.evaluation.bootstrap import estimate, group_bootstrap
from anura_train.evaluation.metrics import Values, Weights
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import MetricResult
from anura_train.evaluation.robustness import recording_rng
from anura_train.evaluation.thresholds import Thresholds, fit_nested_thresholds
from anura_train.models import Net
from anura_train.recipe import BaseRecipe

SOUND_S, HISS_S = 10, 20
"""Length of the recording that is scored, and of the faint hiss after it, like that of a recorder in a quiet night."""

HISS_RMS = 10 ** (-62 / 20)

ONSET_THRESHOLD, OFFSET_THRESHOLD = 0.5, 0.25
"""A detection begins at the first and lasts to the second, as by default on the device (`detect.release_ratio`)."""


def offset_delay_metrics(out: Path, recipe: BaseRecipe, predictions: Predictions) -> Iterator[MetricResult]:
    """Yield the mean time for which species are detected after the end of the sound.

    Each recording is scored by the model that was not trained on it, with the calibration from the other folds. Yields
    nothing where no species is detected. Raises ModelError when OUT lacks the weights of a fold.
    """
    delays_s: list[float] = []
    groups: list[str] = []
    for fold, thresholds in fit_nested_thresholds(predictions).items():
        model = load_fold_model(out, recipe, len(predictions.labels), fold)
        for recording in (predictions.recordings[number] for number in np.flatnonzero(predictions.fold == fold)):
            delays = [*_delays_s(recording, model, thresholds, predictions)] if recording.codes else []
            delays_s += delays
            groups += [recording.group] * len(delays)
    if not delays_s:
        return
    value, draws = group_bootstrap(groups).compute(partial(_weighted_mean, values=np.array(delays_s)))
    mean = estimate(value[0], draws[:, 0])
    yield MetricResult.of_estimate("seconds heard after the end", mean, "then a faint hiss", len(delays_s))


@torch.no_grad()
def _delays_s(recording: Recording, model: Net, thresholds: Thresholds, predictions: Predictions) -> Iterator[float]:
    """Yield the delay of each species of the recording that is detected in it."""
    sound = load_audio(recording, model.rate_hz)[: SOUND_S * model.rate_hz]
    hiss = recording_rng(recording).normal(0, HISS_RMS, HISS_S * model.rate_hz)
    logits = model.predict(torch.from_numpy(np.concatenate([sound, hiss]).astype(np.float32))).numpy()
    probabilities = thresholds.probabilities(logits)  # (frames, labels)
    ends_s = np.asarray(np.arange(len(probabilities)) * predictions.hop_s + predictions.window_s, np.float64)
    for code in set(recording.codes) & set(predictions.labels):
        column = probabilities[:, predictions.labels.index(code)]
        if (delay_s := offset_delay_s(column, ends_s, len(sound) / model.rate_hz)) is not None:
            yield delay_s


def offset_delay_s(probabilities: FloatArray, ends_s: Values, sound_s: float) -> float | None:
    """Return how long one label is detected after the sound, from the probabilities and ends of frames, (frames,).

    None where it is not detected in the sound.
    """
    if not (probabilities[ends_s <= sound_s] >= ONSET_THRESHOLD).any():
        return None
    last_s = ends_s[probabilities >= OFFSET_THRESHOLD].max()
    return max(0.0, float(last_s - sound_s))


def _weighted_mean(weights: Weights, values: Values) -> Values:
    total = weights.sum(1, keepdims=True)
    return np.asarray(weights @ values[:, None] / np.where(total > 0, total, np.nan))
