"""Chooses the audio that int8 ranges are taken from, and the audio that two models are compared on.

The same data gives the same clips: every choice is seeded. The two never share a group of recordings.
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
"""Amplitude of a quiet recorder's own noise, -80 dBFS."""

CLIPPED_GAIN = 30.0
"""30 dB too much: a frog on the microphone."""


@dataclass(frozen=True, slots=True)
class RecordingSelection:
    """Recordings for either purpose."""

    ranges: tuple[Recording, ...]
    compared: tuple[Recording, ...]


def select_recordings(corpus: Corpus) -> RecordingSelection:
    """Choose recordings of every species and kind of background; SourceError when there are too few groups for both.

    Ranges come from what may be learnt from, and from at most half of it; what no model may learn from is compared on.
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
        raise SourceError("the data has too few recordings to take ranges from some and to compare on others; add some")
    return RecordingSelection(ranges, compared)


def select_range_recordings(
    frogs: Sequence[Recording], backgrounds: Sequence[Recording], rng: np.random.Generator
) -> tuple[Recording, ...]:
    """Choose recordings to take ranges from, at most half of them."""
    return (
        *_of_each_kind(frogs, _species, min(RANGE_FROGS, -(-len(frogs) // 2)), rng),
        *_of_each_kind(backgrounds, _kind, min(RANGE_BACKGROUNDS, -(-len(backgrounds) // 2)), rng),
    )


def range_clips(recordings: Iterable[Recording], rate_hz: int) -> Iterator[FloatArray]:
    """Yield up to RANGE_S seconds of each recording, (samples,), and what a recorder meets besides.

    That is silence, its own hiss, and the first frog far too loud: a range that has not seen them cuts them off.
    """
    rng = np.random.default_rng(SEED)
    samples = round(RANGE_S * rate_hz)
    loudest: FloatArray | None = None
    for recording in recordings:
        clip = _excerpt(load_audio(recording, rate_hz), samples, rng)
        loudest = clip if loudest is None else loudest
        yield clip
    yield np.zeros(samples // 2, np.float32)
    yield rng.normal(0, HISS, samples // 2).astype(np.float32)
    if loudest is not None:
        yield np.clip(CLIPPED_GAIN * loudest, -1, 1)


def comparison_clips(recordings: Iterable[Recording], rate_hz: int) -> Iterator[FloatArray]:
    """Yield up to COMPARE_S seconds of each recording, (samples,)."""
    rng = np.random.default_rng(SEED)
    for recording in recordings:
        yield _excerpt(load_audio(recording, rate_hz), round(COMPARE_S * rate_hz), rng)


def describe(recordings: Sequence[Recording]) -> str:
    """Say what was chosen, in a few words."""
    frogs = sum(bool(recording.codes) for recording in recordings)
    return f"{frogs} recordings with frogs and {len(recordings) - frogs} of background"


def _of_each_kind(
    recordings: Sequence[Recording], kind_of: Callable[[Recording], str], count: int, rng: np.random.Generator
) -> list[Recording]:
    """Choose so many, one of each kind in turn, so that a rare kind is not left out."""
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
