"""Laying calls over backgrounds: the augmentation that makes clean clips sound like the places where a model will work.

A model that knows a species from one place alone knows the place as well; a background from elsewhere breaks that tie.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError

QUIET = 1e-4
"""RMS that silence counts as, -80 dBFS: digital silence has no power that a call could stand above."""


@dataclass(frozen=True, slots=True, eq=False)
class Backgrounds:
    """Sounds to lay under calls."""

    waveforms: Sequence[FloatArray]
    """Each (samples,), of any length above 0."""
    targets: FloatArray
    """What calls in each, (backgrounds, labels)."""
    sites: Sequence[str]
    """Where each was recorded; empty where nobody knows, and then it counts as elsewhere."""


def overlay(
    waveform: FloatArray,
    target: FloatArray,
    site: str,
    backgrounds: Backgrounds,
    snr_db: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Lay a sound (samples,) with target (labels,) over a piece of a background of another site.

    Returns the mixture (samples,), at the level of the sound, and the union of what is in both. The ratio is drawn from
    `snr_db`, both as mean power over the whole sound. ConfigError when all backgrounds are of the sound's own site.
    """
    elsewhere = [index for index, other in enumerate(backgrounds.sites) if not site or other != site]
    if not elsewhere:
        raise ConfigError(f"no background of another site than {site!r}; add some or leave the overlay out")
    chosen = elsewhere[rng.integers(len(elsewhere))]
    piece = random_piece(backgrounds.waveforms[chosen], len(waveform), rng)
    return mix_at_snr(waveform, piece, rng.uniform(*snr_db)), np.maximum(target, backgrounds.targets[chosen])


def mix_at_snr(waveform: FloatArray, background: FloatArray, snr_db: float) -> FloatArray:
    """Return a sound, at its level, over a background of so many decibels less power; all (samples,)."""
    gain = max(rms(waveform), QUIET) / max(rms(background), QUIET) * 10 ** (-snr_db / 20)
    return np.asarray(waveform + background * np.float32(gain), np.float32)


def random_piece(sound: FloatArray, length: int, rng: np.random.Generator) -> FloatArray:
    """Return a piece of a sound from anywhere in it, (length,); a shorter sound is repeated."""
    start = int(rng.integers(max(len(sound) - length, 0) + 1))
    return np.resize(sound[start : start + length], length)


def rms(sound: FloatArray) -> float:
    """Return the root of the mean power of (samples,)."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))
