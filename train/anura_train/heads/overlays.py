"""Mixtures of labelled recordings with backgrounds: further examples for a head."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_train.data import Recording, load_audio
from anura_train.data.overlay import mix_at_snr, random_excerpt
from anura_train.head_recipe import OverlaySettings
from anura_train.models.window import HOP_S, WINDOW_S


@dataclass(frozen=True, slots=True)
class Overlay:
    """One mixture of an excerpt of a recording with an excerpt of a background, a window long."""

    recording: Recording
    background: Recording
    snr_db: float
    seed: int
    """Of the positions of both excerpts."""

    def make(self, recording: FloatArray, background: FloatArray, rate_hz: int) -> FloatArray:
        """Return the mixture (window,) of the decoded recording and background, both (samples,)."""
        rng = np.random.default_rng(self.seed)
        length = WINDOW_S * rate_hz
        excerpt = recording if len(recording) <= length else random_excerpt(recording, length, rng)
        padding = length - len(excerpt)
        before = int(rng.integers(padding + 1))
        padded = np.pad(excerpt, (before, padding - before))
        return mix_at_snr(padded, random_excerpt(background, length, rng), self.snr_db)


def plan_overlays(
    recordings: Sequence[Recording],
    backgrounds: Sequence[Recording],
    settings: OverlaySettings,
    rate_hz: int,
    seed: int,
) -> Iterator[Overlay]:
    """Yield the mixtures of each labelled recording without boxes; each kind of background is equally likely.

    Of a recording with boxes it is not known what an excerpt contains.
    """
    kinds: dict[str, list[Recording]] = defaultdict(list)
    for background in backgrounds:
        kinds[background.kind].append(background)
    names = sorted(kinds)
    for number, recording in enumerate(recordings if names else ()):
        if recording.strong:
            continue
        rng = np.random.default_rng([seed, number])
        windows = max(1, len(load_audio(recording, rate_hz)) // (HOP_S * rate_hz) - WINDOW_S + 1)
        for _ in range(min(windows, settings.max_windows) * settings.per_window):
            same_kind = kinds[names[rng.integers(len(names))]]
            background = same_kind[rng.integers(len(same_kind))]
            yield Overlay(recording, background, float(rng.uniform(*settings.snr_db)), int(rng.integers(2**31)))
