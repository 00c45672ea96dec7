"""Scores recordings with noise, rain, other gains and other recorders, by models that were not trained on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import soxr
import torch

from anura_edge.audio import FloatArray
from anura_train.checkpoints.resume import load_fold_model
from anura_train.data import Corpus, Recording, load_audio
from anura_train.evaluation.predictions import Predictions
from anura_train.models import Net
from anura_train.recipe import BaseRecipe

MAX_DURATION_S = 30
"""Only the beginning of each recording is scored again, up to this length."""

SNRS_DB = (20, 10, 0)
RAIN_SNR_DB = 10
GAINS_DB = (-20, 20)
"""A lower gain or a larger distance; a higher gain, clipped at full scale."""
RATES_HZ = (16_000, 8_000)

Perturbation = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Takes samples (samples,) at the model's rate and a random generator; returns as many samples."""


@dataclass(frozen=True, slots=True)
class BackgroundNoise:
    """Backgrounds that a model was not trained on."""

    recordings: tuple[Recording, ...]
    rate_hz: int
    decoded: dict[str, FloatArray] = field(default_factory=dict)

    def draw(self, length: int, rng: np.random.Generator) -> FloatArray:
        """Return (length,) samples of one background, which is repeated where it is shorter."""
        chosen = self.recordings[rng.integers(len(self.recordings))]
        if chosen.name not in self.decoded:
            self.decoded[chosen.name] = load_audio(chosen, self.rate_hz)
        return np.resize(self.decoded[chosen.name], length)


def perturbed_predictions(
    out: Path, recipe: BaseRecipe, corpus: Corpus, predictions: Predictions
) -> Iterator[tuple[str, Predictions]]:
    """Score the recordings with a species under each condition; the first condition changes nothing.

    Raises ModelError when OUT lacks the weights of a fold.
    """
    plain = predictions.with_species()
    labels = len(predictions.labels)
    models = {int(fold): load_fold_model(out, recipe, labels, int(fold)) for fold in np.unique(plain.fold)}
    by_fold = {fold: _conditions(fold, predictions, corpus, model.rate_hz) for fold, model in models.items()}
    # A condition for which a fold has no background is omitted, so that all conditions have the same recordings.
    for name in next(iter(by_fold.values())):
        if all(name in conditions for conditions in by_fold.values()):
            changes = {fold: conditions[name] for fold, conditions in by_fold.items()}
            yield name, replace(plain, frame_logits=_score(plain, models, changes))


@torch.no_grad()
def _score(plain: Predictions, models: Mapping[int, Net], changes: Mapping[int, Perturbation]) -> dict[str, FloatArray]:
    frame_logits = {}
    for recording, fold in zip(plain.recordings, plain.fold.tolist(), strict=True):
        model = models[fold]
        samples = load_audio(recording, model.rate_hz)[: MAX_DURATION_S * model.rate_hz]
        changed = np.ascontiguousarray(np.clip(changes[fold](samples, recording_rng(recording)), -1, 1), np.float32)
        frame_logits[recording.name] = model.predict(torch.from_numpy(changed)).numpy().astype(np.float32)
    return frame_logits


def recording_rng(recording: Recording) -> np.random.Generator:
    """Return a random generator that depends on the recording's name only, so that all conditions draw the same."""
    return np.random.default_rng(int.from_bytes(sha256(recording.name.encode()).digest()[:8]))


def _conditions(fold: int, predictions: Predictions, corpus: Corpus, rate_hz: int) -> dict[str, Perturbation]:
    """Return each condition for which the fold has backgrounds, by its name."""
    tested = zip(predictions.recordings, predictions.fold.tolist(), strict=True)
    unseen_backgrounds = [each for each, part in tested if part == fold and not each.codes] + list(corpus.held_out)
    conditions: dict[str, Perturbation] = {"first 30 s": lambda samples, _: samples}
    if unseen_backgrounds:
        noise = BackgroundNoise(tuple(unseen_backgrounds), rate_hz)
        conditions |= {f"background at {snr} dB SNR": partial(_add_noise, noise=noise, snr_db=snr) for snr in SNRS_DB}
    if rain := _rain(unseen_backgrounds):
        noise = BackgroundNoise(rain, rate_hz)
        conditions[f"rain at {RAIN_SNR_DB} dB SNR"] = partial(_add_noise, noise=noise, snr_db=RAIN_SNR_DB)
    conditions |= {f"gain of {gain:+d} dB": partial(_amplify, gain_db=gain) for gain in GAINS_DB}
    return conditions | {
        f"recorder of {rate / 1_000:g} kHz": partial(_limit_bandwidth, recorder_hz=rate, rate_hz=rate_hz)
        for rate in RATES_HZ
        if rate < rate_hz
    }


def _rain(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    return tuple(each for each in recordings if "rain" in each.kind.lower())


def _add_noise(samples: FloatArray, rng: np.random.Generator, *, noise: BackgroundNoise, snr_db: float) -> FloatArray:
    """Add a background whose mean power is `snr_db` below that of the recording."""
    added = noise.draw(len(samples), rng)
    power, noise_power = float(np.mean(np.square(samples))), float(np.mean(np.square(added)))
    gain = np.sqrt(power / max(noise_power, 1e-12)) * 10 ** (-snr_db / 20)
    return np.asarray(samples + np.float32(gain) * added, np.float32)


def _amplify(samples: FloatArray, _: np.random.Generator, *, gain_db: float) -> FloatArray:
    return samples * np.float32(10 ** (gain_db / 20))


def _limit_bandwidth(samples: FloatArray, _: np.random.Generator, *, recorder_hz: int, rate_hz: int) -> FloatArray:
    """Remove the frequencies that a recorder with a lower sampling rate does not record."""
    recorded = soxr.resample(samples, rate_hz, recorder_hz)
    return np.resize(np.asarray(soxr.resample(recorded, recorder_hz, rate_hz), np.float32), len(samples))
