"""How long a species is still heard when its sound has ended: offsets and the pauses of a chorus depend on it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from anura_edge.audio import FloatArray
from anura_train.data import Recording, load_audio
from anura_train.evaluation.bootstrap import Redraws, estimate
from anura_train.evaluation.measures import Figures, Weights
from anura_train.evaluation.predictions import Predictions
from anura_train.evaluation.results import MetricResult
from anura_train.evaluation.robustness import load_fold_model, recording_rng
from anura_train.evaluation.thresholds import Thresholds, fit_nested_thresholds
from anura_train.models import Net
from anura_train.recipe import Recipe

SOUND_S, HISS_S = 10, 20
"""So much of a recording is heard, and then so much of a faint hiss, as of a recorder in a quiet night."""

HISS_RMS = 10 ** (-62 / 20)

ON, OFF = 0.5, 0.25
"""A call begins at ON and lasts until the score is below OFF, as on a device with the defaults of
`detect.release_ratio`."""


def offset_delay_metrics(out: Path, recipe: Recipe, trial: Predictions) -> Iterator[MetricResult]:
    """Yield for how many seconds species are heard after the sound of which they were heard, in the mean.

    Each recording by the model that did not learn from it, calibrated on the other folds; nothing where none is heard.
    Raises ModelError when a fold's weights are not in OUT.
    """
    late_s: list[float] = []
    groups: list[str] = []
    choices = fit_nested_thresholds(trial)
    for fold, choice in choices.items():
        model = load_fold_model(out, recipe, len(trial.labels), fold)
        for recording in (trial.recordings[number] for number in np.flatnonzero(trial.fold == fold)):
            found = [*_endings(recording, model, choice, trial)] if recording.codes else []
            late_s += found
            groups += [recording.group] * len(found)
    if not late_s:
        return
    value, draws = Redraws(groups).measure(partial(_mean, late_s=np.array(late_s)))
    mean = estimate(value[0], draws[:, 0])
    yield MetricResult(
        measure="seconds heard after the end",
        condition="then a faint hiss",
        value=mean.value,
        low=mean.low,
        high=mean.high,
        recordings=len(late_s),
    )


@torch.no_grad()
def _endings(recording: Recording, model: Net, choice: Thresholds, trial: Predictions) -> Iterator[float]:
    """Yield the seconds of each species that is in a recording, and is heard in it."""
    sound = load_audio(recording, model.rate_hz)[: SOUND_S * model.rate_hz]
    hiss = recording_rng(recording).normal(0, HISS_RMS, HISS_S * model.rate_hz)
    rows = model.predict(torch.from_numpy(np.concatenate([sound, hiss]).astype(np.float32))).numpy()
    probabilities = choice.probabilities(rows)
    for code in set(recording.codes) & set(trial.labels):
        column = probabilities[:, trial.labels.index(code)]
        ends_s = np.asarray(np.arange(len(column)) * trial.step_s + trial.span_s, np.float64)
        if (late_s := offset_delay_s(column, ends_s, len(sound) / model.rate_hz)) is not None:
            yield late_s


def offset_delay_s(column: FloatArray, ends_s: Figures, sound_s: float) -> float | None:
    """Return for how long a species is heard after its sound, of probabilities and ends of rows, both (rows,).

    None where it was not heard in its sound.
    """
    if not (column[ends_s <= sound_s] >= ON).any():
        return None
    heard_s = ends_s[column >= OFF].max()
    return max(0.0, float(heard_s - sound_s))


def _mean(weights: Weights, late_s: Figures) -> Figures:
    total = weights.sum(1, keepdims=True)
    return np.asarray(weights @ late_s[:, None] / np.where(total > 0, total, np.nan))
