"""Recordings made worse, as the field makes them, to be heard again by the models that had not learnt from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import soxr
import torch

from anura_edge.audio import FloatArray
from anura_train.checkpoints.resume import load_final_weights
from anura_train.data import Corpus, Recording, load_audio
from anura_train.evaluation.predictions import Predictions
from anura_train.models import Net, build_network
from anura_train.recipe import Recipe

MAX_DURATION_S = 30
"""Of each recording so much is heard again, from its beginning."""

SNRS_DB = (20, 10, 0)
RAIN_SNR_DB = 10
GAINS_DB = (-20, 20)
"""Quieter by a recorder's gain and some distance; louder, and cut at full scale."""
RATES_HZ = (16_000, 8_000)

Perturbation = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Takes samples (samples,) at the model's rate and a generator, and returns as many samples."""


@dataclass(frozen=True, slots=True)
class BackgroundNoise:
    """Backgrounds that a model has not learnt from."""

    recordings: tuple[Recording, ...]
    rate_hz: int
    decoded: dict[str, FloatArray] = field(default_factory=dict)

    def draw(self, length: int, rng: np.random.Generator) -> FloatArray:
        """Return (length,) samples of one of them, repeated where it is shorter."""
        chosen = self.recordings[rng.integers(len(self.recordings))]
        if chosen.name not in self.decoded:
            self.decoded[chosen.name] = load_audio(chosen, self.rate_hz)
        return np.resize(self.decoded[chosen.name], length)


def perturbed_predictions(
    out: Path, recipe: Recipe, corpus: Corpus, trial: Predictions
) -> Iterator[tuple[str, Predictions]]:
    """Score the recordings with a species again under each condition, `as recorded` first.

    Raises ModelError when a fold's weights are not in OUT.
    """
    frogs = np.array([bool(each.codes) for each in trial.recordings])
    recordings = tuple(each for each, frog in zip(trial.recordings, frogs, strict=True) if frog)
    plain = replace(trial, recordings=recordings, fold=trial.fold[frogs])
    models = {int(fold): load_fold_model(out, recipe, len(trial.labels), int(fold)) for fold in np.unique(plain.fold)}
    by_fold = {fold: _conditions(fold, trial, corpus, model.rate_hz) for fold, model in models.items()}
    # A condition that one fold has no background for is left out, so that all conditions hear the same recordings.
    for name in next(iter(by_fold.values())):
        if all(name in conditions for conditions in by_fold.values()):
            changes = {fold: conditions[name] for fold, conditions in by_fold.items()}
            yield name, replace(plain, rows=_score(plain, models, changes))


@torch.no_grad()
def _score(plain: Predictions, models: Mapping[int, Net], changes: Mapping[int, Perturbation]) -> dict[str, FloatArray]:
    rows = {}
    for recording, fold in zip(plain.recordings, plain.fold.tolist(), strict=True):
        model = models[fold]
        samples = load_audio(recording, model.rate_hz)[: MAX_DURATION_S * model.rate_hz]
        changed = np.ascontiguousarray(np.clip(changes[fold](samples, recording_rng(recording)), -1, 1), np.float32)
        rows[recording.name] = model.predict(torch.from_numpy(changed)).numpy().astype(np.float32)
    return rows


def recording_rng(recording: Recording) -> np.random.Generator:
    """Return a recording's own chance: the same for each condition, so that these differ by what they say alone."""
    return np.random.default_rng(int.from_bytes(sha256(recording.name.encode()).digest()[:8]))


def _conditions(fold: int, trial: Predictions, corpus: Corpus, rate_hz: int) -> dict[str, Perturbation]:
    """Return every condition that there are backgrounds for, by its name."""
    tested = zip(trial.recordings, trial.fold.tolist(), strict=True)
    unheard = [each for each, part in tested if part == fold and not each.codes] + list(corpus.held_out)
    conditions: dict[str, Perturbation] = {"first 30 s": lambda samples, _: samples}
    if unheard:
        noises = BackgroundNoise(tuple(unheard), rate_hz)
        conditions |= {f"background at {snr} dB SNR": partial(_noisy, noises=noises, snr_db=snr) for snr in SNRS_DB}
    if rain := _rain(unheard):
        noises = BackgroundNoise(rain, rate_hz)
        conditions[f"rain at {RAIN_SNR_DB} dB SNR"] = partial(_noisy, noises=noises, snr_db=RAIN_SNR_DB)
    conditions |= {f"gain of {gain:+d} dB": partial(_louder, gain_db=gain) for gain in GAINS_DB}
    return conditions | {
        f"recorder of {rate / 1_000:g} kHz": partial(_narrow, through_hz=rate, rate_hz=rate_hz)
        for rate in RATES_HZ
        if rate < rate_hz
    }


def _rain(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    return tuple(each for each in recordings if "rain" in each.kind.lower())


def _noisy(samples: FloatArray, rng: np.random.Generator, *, noises: BackgroundNoise, snr_db: float) -> FloatArray:
    """Add background of so many decibels less mean power than the recording."""
    noise = noises.draw(len(samples), rng)
    power, noise_power = float(np.mean(np.square(samples))), float(np.mean(np.square(noise)))
    gain = np.sqrt(power / max(noise_power, 1e-12)) * 10 ** (-snr_db / 20)
    return np.asarray(samples + np.float32(gain) * noise, np.float32)


def _louder(samples: FloatArray, _: np.random.Generator, *, gain_db: float) -> FloatArray:
    return samples * np.float32(10 ** (gain_db / 20))


def _narrow(samples: FloatArray, _: np.random.Generator, *, through_hz: int, rate_hz: int) -> FloatArray:
    """Take away what a recorder of a lower rate would not have heard."""
    there = soxr.resample(samples, rate_hz, through_hz)
    return np.resize(np.asarray(soxr.resample(there, through_hz, rate_hz), np.float32), len(samples))


def load_fold_model(out: Path, recipe: Recipe, labels: int, fold: int) -> Net:
    """Return the model that was tested on a fold; ModelError when its weights are not in OUT."""
    model = build_network(recipe.model, labels)
    model.load_state_dict(load_final_weights(out / "state" / f"fold-{fold}.pt"))
    return model.eval()
