"""Cuts AnuraSet's recordings into windows of 3 s as its paper describes; the authors did not publish this code.

A window has a species if one of its boxes overlaps the window. Each window is filtered (Butterworth, order 5, 1 to
10,000 Hz, forwards and backwards like scikit-maad), normalised to a peak of -0.7 dBFS and written as WAV, 22.05 kHz,
16 bit. About 30 % of the recordings are the test part, selected by iterative stratification.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, sosfiltfilt

from anura_edge.audio import FloatArray
from anura_train.data.audio import FILE_RATE_HZ, load_audio
from anura_train.data.corpus import Corpus, Recording, StrongLabel
from anura_train.data.folds import split_share
from anura_train.data.progress import OnRecording
from anura_train.data.readers.anuraset import METADATA_COLUMNS

WINDOW_S, HOP_S = 3, 1

ORDER, BAND_HZ, PEAK_DBFS = 5, (1.0, 10_000.0), -0.7


@dataclass(frozen=True, slots=True)
class AnurasetWindowSettings:
    """Options where the paper and the published files differ or state nothing."""

    min_overlap_s: float = 0.0
    """Part of a box that must be in a window to label it; a shorter box must be inside completely. 0 means any part, as
    published."""
    band_pass: bool = True
    normalise: bool = True
    """Normalise the peak of each window. A raw stream is different: most of its windows are quiet."""
    test_share: float = 0.3
    seed: int = 0


def build_windows(raw: Corpus, out: Path, settings: AnurasetWindowSettings, on_recording: OnRecording) -> None:
    """Write OUT/audio/SITE/STEM_MIN_MAX.wav, and OUT/metadata.csv with the columns of the published table.

    `sample_name` is the name of the file, as in the paper, and `species_number` is the number of species.
    """
    codes = [taxon.code for taxon in raw.species]
    test_names = split_share(raw.recordings, settings.test_share, settings.seed)
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / "metadata.csv.part"  # a partial table would be read as a smaller data set
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*METADATA_COLUMNS, *codes])
        for done, recording in enumerate(raw.recordings, start=1):
            subset = "test" if recording.name in test_names else "train"
            for window in _cut(recording, out / "audio", settings):
                marks = [int(code in window.codes) for code in codes]
                writer.writerow([*_metadata_cells(recording, window, subset, sum(marks)), *marks])
            on_recording(done, len(raw.recordings))
    unfinished.replace(out / "metadata.csv")


def window_starts(samples: int, rate_hz: int) -> range:
    """Return the start of each window in whole seconds. All windows are complete."""
    return range(0, samples // rate_hz - WINDOW_S + 1, HOP_S)


def window_codes(boxes: Sequence[StrongLabel], start_s: float, min_overlap_s: float) -> frozenset[str]:
    """Return the species with a box that overlaps enough with the window from `start_s`."""
    return frozenset(box.code for box in boxes if _overlaps(box, start_s, min_overlap_s))


def prepare(window: FloatArray, settings: AnurasetWindowSettings) -> FloatArray:
    """Filter a window (samples,) at FILE_RATE_HZ and normalise its peak; silence stays silence."""
    if settings.band_pass:
        window = np.asarray(sosfiltfilt(butter(ORDER, BAND_HZ, "bandpass", fs=FILE_RATE_HZ, output="sos"), window))
    peak = float(np.abs(window).max())
    if settings.normalise and peak > 0:
        window = window * (10 ** (PEAK_DBFS / 20) / peak)
    return np.asarray(np.clip(window, -1, 1), np.float32)


@dataclass(frozen=True, slots=True)
class _LabelledWindow:
    start_s: int
    file: str
    codes: frozenset[str]


def _cut(recording: Recording, audio: Path, settings: AnurasetWindowSettings) -> Iterator[_LabelledWindow]:
    samples = load_audio(recording, FILE_RATE_HZ)
    (audio / recording.site).mkdir(parents=True, exist_ok=True)
    for start_s in window_starts(len(samples), FILE_RATE_HZ):
        file = f"{recording.group}_{start_s}_{start_s + WINDOW_S}.wav"
        piece = samples[start_s * FILE_RATE_HZ : (start_s + WINDOW_S) * FILE_RATE_HZ]
        soundfile.write(audio / recording.site / file, prepare(piece, settings), FILE_RATE_HZ, subtype="PCM_16")
        yield _LabelledWindow(start_s, file, window_codes(recording.strong, start_s, settings.min_overlap_s))


def _metadata_cells(recording: Recording, window: _LabelledWindow, subset: str, species: int) -> tuple[object, ...]:
    """Return the cells of the METADATA_COLUMNS."""
    end_s = window.start_s + WINDOW_S
    day = recording.start.strftime("%Y-%m-%d %H:%M:%S") if recording.start else ""
    return (window.file, recording.group, window.start_s, end_s, recording.site, day, species, subset)


def _overlaps(box: StrongLabel, start_s: float, min_overlap_s: float) -> bool:
    overlap_s = min(box.offset_s, start_s + WINDOW_S) - max(box.onset_s, start_s)
    return overlap_s > 0 and overlap_s >= min(min_overlap_s, box.offset_s - box.onset_s)
