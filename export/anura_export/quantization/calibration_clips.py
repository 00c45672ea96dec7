"""Selects the audio for the calibration of int8 ranges, and the audio for the comparison of two models.

The same data gives the same clips: the random generator is seeded. The two selections have no group in common.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_train.data import Corpus, Recording, load_audio

SEED = 0

RANGE_FROGS, RANGE_BACKGROUNDS, RANGE_S = 24, 12, 6.0
COMPARE_FROGS, COMPARE_BACKGROUNDS, COMPARE_S = 40, 20, 10.0

HISS = 1e-4
"""Amplitude of the noise of a quiet recorder, -80 dBFS."""

CLIPPED_GAIN = 30.0
"""30 dB: a frog directly at the microphone."""


@dataclass(frozen=True, slots=True)
class RecordingSelection:
    """The recordings for both purposes."""

    ranges: tuple[Recording, ...]
    compared: tuple[Recording, ...]


def select_recordings(corpus: Corpus) -> RecordingSelection:
    """Select recordings of all species and kinds of background; SourceError when there are too few groups.

    Ranges use at most half of the training recordings. The held-out backgrounds are used for the comparison.
    """
    rng = np.random.default_rng(SEED)
    ranges = select_range_recordings(corpus.frogs, corpus.backgrounds, rng)
    groups = {recording.group for recording in ranges}
    frogs = [each for each in corpus.frogs if each.group not in groups]
    backgrounds = [each for each in corpus.backgrounds + corpus.held_out if each.group not in groups]
    compared = (
        *_of_each_kind(frogs, _species, COMPARE_FROGS, rng),
        *_of_each_kind(backgrounds, _kind, COMPARE_BACKGROUNDS, rng),
    )
    if not ranges or not compared:
        raise SourceError("the data has too few groups of recordings for both ranges and comparison; add some")
    return RecordingSelection(ranges, compared)


def select_range_recordings(
    frogs: Sequence[Recording], backgrounds: Sequence[Recording], rng: np.random.Generator
) -> tuple[Recording, ...]:
    """Select at most half of the recordings for the calibration of ranges."""
    return (
        *_of_each_kind(frogs, _species, min(RANGE_FROGS, -(-len(frogs) // 2)), rng),
        *_of_each_kind(backgrounds, _kind, min(RANGE_BACKGROUNDS, -(-len(backgrounds) // 2)), rng),
    )


def range_clips(recordings: Iterable[Recording], rate_hz: int) -> Iterator[FloatArray]:
    """Yield up to RANGE_S seconds of each recording, (samples,), and three special clips.

    These are silence, a recorder's noise, and the first frog far too loud. Values outside the calibrated ranges would
    be clipped.
    """
    rng = np.random.default_rng(SEED)
    samples = round(RANGE_S * rate_hz)
    first: FloatArray | None = None
    for recording in recordings:
        clip = _excerpt(load_audio(recording, rate_hz), samples, rng)
        first = clip if first is None else first
        yield clip
    yield np.zeros(samples // 2, np.float32)
    yield rng.normal(0, HISS, samples // 2).astype(np.float32)
    if first is not None:
        yield np.clip(CLIPPED_GAIN * first, -1, 1)


def comparison_clips(recordings: Iterable[Recording], rate_hz: int) -> Iterator[FloatArray]:
    """Yield up to COMPARE_S seconds of each recording, from a random position, (samples,)."""
    rng = np.random.default_rng(SEED)
    for recording in recordings:
        yield _excerpt(load_audio(recording, rate_hz), round(COMPARE_S * rate_hz), rng)


def describe(recordings: Sequence[Recording]) -> str:
    """Return a short description of the recordings."""
    frogs = sum(bool(recording.codes) for recording in recordings)
    return f"{frogs} recordings with frogs and {len(recordings) - frogs} of background"


def _of_each_kind(
    recordings: Sequence[Recording], kind_of: Callable[[Recording], str], count: int, rng: np.random.Generator
) -> list[Recording]:
    """Select `count` recordings, one of each kind in turn, so that rare kinds are included."""
    of_kind: dict[str, list[Recording]] = defaultdict(list)
    for index in rng.permutation(len(recordings)):
        of_kind[kind_of(recordings[index])].append(recordings[index])
    chosen: list[Recording] = []
    while of_kind and len(chosen) < count:
        for kind in sorted(of_kind):
            chosen.append(of_kind[kind].pop())
            if not of_kind[kind]:
                del of_kind[kind]
    return chosen[:count]


def _species(recording: Recording) -> str:
    return " ".join(recording.codes)


def _kind(recording: Recording) -> str:
    return recording.kind


def _excerpt(sound: FloatArray, samples: int, rng: np.random.Generator) -> FloatArray:
    start = int(rng.integers(0, max(1, len(sound) - samples + 1)))
    return sound[start : start + samples]
