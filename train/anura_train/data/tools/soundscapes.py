"""Synthetic soundscapes of calls and backgrounds with known onsets, offsets and signal-to-noise ratios.

    OUT/audio/soundscape-0000.wav    mono, 22.05 kHz, 16 bit
    OUT/audio/soundscape-0000.txt    its labels, for Raven or Audacity
    OUT/calls.csv                    name, code, onset_s, offset_s, snr_db, and the two source recordings
    OUT/recordings.csv, labels.csv, species.csv    the input tables of `anura-train fit`

Two soundscapes with the same source recording must not be in different folds. So the sources are assigned to folds,
each soundscape uses the sources of one fold, and all soundscapes of a fold are a group.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from anura_edge.audio import FloatArray
from anura_edge.errors import ConfigError
from anura_train.data.audio import FILE_RATE_HZ, load_audio
from anura_train.data.corpus import Corpus, Recording, StrongLabel, sort_by_onset
from anura_train.data.folds import corpus_folds
from anura_train.data.overlay import QUIET, random_excerpt, rms
from anura_train.data.readers.audacity import write_audacity
from anura_train.data.readers.csv_tables import write_tables
from anura_train.data.readers.raven import write_raven

CALL_S = (1.0, 4.0)
"""Shortest and longest call that is cut from a recording without boxes, in which a species calls most of the time."""

FADE_S = 0.01
"""Length of the fades at both ends; without them a click would reveal the label."""

PEAK = 10 ** (-0.7 / 20)


@dataclass(frozen=True, slots=True)
class SoundscapeSettings:
    """The options of soundscapes."""

    count: int = 20
    duration_s: float = 30.0
    calls: tuple[int, int] = (1, 6)
    """Smallest and largest number of calls in one."""
    snr_db: tuple[float, float] = (0.0, 20.0)
    """Power of a call relative to the background at its position."""
    folds: int = 5
    labels: Literal["raven", "audacity"] = "raven"
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class PlacedCall:
    """A call and its position."""

    samples: FloatArray
    """Shape (samples,)."""
    start: int
    """Its first sample in the soundscape."""
    labels: tuple[StrongLabel, ...]
    """All boxes in the excerpt, in seconds of the soundscape: an excerpt of a chorus has several."""
    snr_db: float
    source: Recording


def mix_soundscape(background: FloatArray, calls: Sequence[PlacedCall]) -> FloatArray:
    """Add calls to a background (samples,) at their signal-to-noise ratios. Reduce the level if the sum would clip.

    The noise is the background alone, without other calls. Silence counts as -80 dBFS.
    """
    sound = background.copy()
    for call in calls:
        span = slice(call.start, call.start + len(call.samples))
        noise_rms = max(rms(background[span]), QUIET)
        sound[span] += call.samples * np.float32(noise_rms / max(rms(call.samples), 1e-9) * 10 ** (call.snr_db / 20))
    return sound * np.float32(min(1.0, PEAK / max(float(np.abs(sound).max()), 1e-9)))


def write_soundscapes(corpus: Corpus, out: Path, settings: SoundscapeSettings) -> Corpus:
    """Write soundscapes of a corpus's calls and backgrounds. The same settings give the same files.

    Raises ConfigError when there are too few calls or backgrounds for the folds.
    """
    pool = _SourcePool(corpus, settings)
    (out / "audio").mkdir(parents=True, exist_ok=True)
    written = [_write(pool, number, out, settings) for number in range(settings.count)]
    with (out / "calls.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "code", "onset_s", "offset_s", "snr_db", "call", "background"])
        writer.writerows(row for _, rows in written for row in rows)
    recordings = tuple(recording for recording, _ in written)
    present = {code for recording in recordings for code in recording.codes}
    soundscapes = Corpus(recordings, tuple(taxon for taxon in corpus.species if taxon.code in present))
    write_tables(soundscapes, out)
    return soundscapes


class _SourcePool:
    """Frog recordings and backgrounds by fold."""

    def __init__(self, corpus: Corpus, settings: SoundscapeSettings) -> None:
        usable = corpus.filter_recordings(lambda each: each.strong != () or len(each.codes) <= 1)
        fold_of = corpus_folds(usable, settings.folds, settings.seed)
        self.settings = settings
        self.backgrounds = [[e for e in corpus.backgrounds if fold_of[e.name] == f] for f in range(settings.folds)]
        self.sources = [[e for e in usable.frogs if fold_of[e.name] == f] for f in range(settings.folds)]
        if not all(self.backgrounds) or not all(self.sources):
            raise ConfigError(f"too few calls or backgrounds for {settings.folds} folds; ask for fewer folds")
        self.load = lru_cache(maxsize=64)(load_audio)

    def calls(self, fold: int, rng: np.random.Generator) -> Iterator[PlacedCall]:
        """Draw the calls of one soundscape: species, recording, call and position."""
        sources = self.sources[fold]
        codes = sorted({code for source in sources for code in _usable_codes(source)})
        for _ in range(rng.integers(self.settings.calls[0], self.settings.calls[1] + 1)):
            code = codes[rng.integers(len(codes))]
            candidates = [source for source in sources if code in _usable_codes(source)]
            yield self._call(candidates[rng.integers(len(candidates))], code, rng)

    def _call(self, source: Recording, code: str, rng: np.random.Generator) -> PlacedCall:
        """Cut a call out of a recording, and draw its position and signal-to-noise ratio."""
        samples = self.load(source, FILE_RATE_HZ)
        longest = round(self.settings.duration_s * FILE_RATE_HZ)
        boxes = [box for box in source.strong if box.code == code]
        if boxes:
            box = boxes[rng.integers(len(boxes))]
            first, last = round(box.onset_s * FILE_RATE_HZ), round(box.offset_s * FILE_RATE_HZ)
        else:
            length = min(len(samples), round(rng.uniform(*CALL_S) * FILE_RATE_HZ))
            first = int(rng.integers(len(samples) - length + 1))
            last = first + length
        excerpt = _faded(samples[first : min(last, first + longest)])
        start = int(rng.integers(longest - len(excerpt) + 1))
        return PlacedCall(
            samples=excerpt,
            start=start,
            labels=tuple(
                _moved(
                    source.strong or (StrongLabel(code, 0, len(samples) / FILE_RATE_HZ),), first, len(excerpt), start
                )
            ),
            snr_db=float(rng.uniform(*self.settings.snr_db)),
            source=source,
        )


def _moved(boxes: Sequence[StrongLabel], first: int, length: int, start: int) -> Iterator[StrongLabel]:
    """Yield the parts of boxes inside `length` samples from `first`, moved so that `first` becomes `start`."""
    for box in boxes:
        onset_s = max(box.onset_s, first / FILE_RATE_HZ)
        offset_s = min(box.offset_s, (first + length) / FILE_RATE_HZ)
        if offset_s - onset_s > 1 / FILE_RATE_HZ:
            shift_s = (start - first) / FILE_RATE_HZ
            yield replace(box, onset_s=max(onset_s + shift_s, 0), offset_s=offset_s + shift_s)


def _write(
    pool: _SourcePool, number: int, out: Path, settings: SoundscapeSettings
) -> tuple[Recording, list[tuple[object, ...]]]:
    """Write one soundscape. Return it as a recording, and its rows of calls.csv."""
    fold = number % settings.folds
    rng = np.random.default_rng(
        [settings.seed, number]
    )  # one generator each, so a larger count does not change the first ones
    backgrounds = pool.backgrounds[fold]
    source = backgrounds[rng.integers(len(backgrounds))]
    background = random_excerpt(pool.load(source, FILE_RATE_HZ), round(settings.duration_s * FILE_RATE_HZ), rng)
    calls = list(pool.calls(fold, rng))
    path = out / f"audio/soundscape-{number:04}.wav"
    soundfile.write(path, mix_soundscape(background, calls), FILE_RATE_HZ, subtype="PCM_16")
    sources = [source, *(call.source for call in calls)]
    recording = Recording(
        path=path,
        name=f"audio/{path.name}",
        group=f"sources of fold {fold + 1}",
        strong=sort_by_onset(label for call in calls for label in call.labels),
        kind=source.kind,
        licence="; ".join(sorted({each.licence for each in sources})),
        attribution="; ".join(sorted({each.attribution for each in sources})),
        split=str(fold + 1),
    )
    if settings.labels == "raven":
        write_raven(path.with_suffix(".txt"), recording, FILE_RATE_HZ / 2)
    else:
        write_audacity(path.with_suffix(".txt"), recording.strong)
    return recording, [
        (recording.name, label.code, label.onset_s, label.offset_s, call.snr_db, call.source.name, source.name)
        for call in calls
        for label in call.labels
    ]


def _usable_codes(source: Recording) -> set[str]:
    """Return the species with boxes, or the only species of a recording without boxes."""
    return {box.code for box in source.strong} or set(source.codes)


def _faded(samples: FloatArray) -> FloatArray:
    """Return samples with a fade at both ends."""
    length = min(round(FADE_S * FILE_RATE_HZ), len(samples) // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    faded = samples.copy()
    faded[:length] *= ramp
    faded[len(faded) - length :] *= ramp[::-1]
    return faded
