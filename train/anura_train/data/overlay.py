"""Mixing calls with backgrounds of other sites.

If all calls of a species come from one site, a model learns the background of that site as well. Backgrounds of other
sites prevent this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError

QUIET = 1e-4
"""Lower limit for a measured RMS, -80 dBFS: a ratio to digital silence is not defined."""


@dataclass(frozen=True, slots=True, eq=False)
class Backgrounds:
    """Waveforms that calls are mixed with."""

    waveforms: Sequence[FloatArray]
    """Each (samples,), of any length above 0."""
    targets: FloatArray
    """Species in each, (backgrounds, labels)."""
    sites: Sequence[str]
    """Site of each; an empty site is unknown and counts as another site."""


def overlay(
    waveform: FloatArray,
    target: FloatArray,
    site: str,
    backgrounds: Backgrounds,
    snr_db: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Mix a waveform (samples,) with an excerpt of a random background of another site.

    Returns the mixture (samples,) and the union of the targets (labels,). The waveform keeps its level. The
    signal-to-noise ratio is drawn from `snr_db`; both powers are means over the whole waveform. ConfigError when all
    backgrounds are of the waveform's own site.
    """
    other_sites = [index for index, other in enumerate(backgrounds.sites) if not site or other != site]
    if not other_sites:
        raise ConfigError(f"no background of another site than {site!r}; add some or turn the overlay off")
    chosen = other_sites[rng.integers(len(other_sites))]
    excerpt = random_excerpt(backgrounds.waveforms[chosen], len(waveform), rng)
    return mix_at_snr(waveform, excerpt, rng.uniform(*snr_db)), np.maximum(target, backgrounds.targets[chosen])


def mix_at_snr(waveform: FloatArray, background: FloatArray, snr_db: float) -> FloatArray:
    """Add a background to a waveform so that its power is `snr_db` lower; all shapes are (samples,)."""
    gain = max(rms(waveform), QUIET) / max(rms(background), QUIET) * 10 ** (-snr_db / 20)
    return np.asarray(waveform + background * np.float32(gain), np.float32)


def random_excerpt(sound: FloatArray, length: int, rng: np.random.Generator) -> FloatArray:
    """Return an excerpt (length,) from a random position; a shorter sound is repeated."""
    start = int(rng.integers(max(len(sound) - length, 0) + 1))
    return np.resize(sound[start : start + length], length)


def rms(sound: FloatArray) -> float:
    """Return the RMS of (samples,)."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64))))
