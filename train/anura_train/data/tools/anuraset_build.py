"""From AnuraSet's minutes to windows of 3 s, as its paper describes them; its own code for that was not published.

Each minute is cut into windows, a species is in a window that any of its boxes touches, and each window is filtered
(Butterworth, order 5, 1 to 10,000 Hz, forwards and backwards as scikit-maad does it), brought to a peak of -0.7 dBFS
and written as WAV, 22.05 kHz, 16 bit. About 30 % of the minutes are set aside to test on, by iterative stratification.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import butter, sosfiltfilt

from anura_edge.audio import FloatArray
from anura_train.data.audio import FILE_RATE_HZ, load_audio
from anura_train.data.corpus import Corpus, Recording, StrongLabel
from anura_train.data.folds import split_share
from anura_train.data.readers.anuraset import METADATA_COLUMNS

WINDOW_S, HOP_S = 3, 1

ORDER, BAND_HZ, PEAK_DBFS = 5, (1.0, 10_000.0), -0.7

OnRecording = Callable[[int, int], None]
"""Called after each recording with how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class AnurasetWindowSettings:
    """What can be chosen where the paper and the published files leave it open."""

    min_overlap_s: float = 0.0
    """How much of a box must lie in a window to label it; of a shorter box, all. 0: any part, as it was published."""
    band_pass: bool = True
    normalise: bool = True
    """Bring every window to one peak. It makes training sound unlike a raw stream, where most windows are quiet."""
    test_share: float = 0.3
    seed: int = 0


def build_windows(raw: Corpus, out: Path, settings: AnurasetWindowSettings, on_recording: OnRecording) -> None:
    """Write OUT/audio/SITE/STEM_MIN_MAX.wav and OUT/metadata.csv, whose columns are those of the published table.

    `sample_name` is the name of the file, as the paper has it, and `species_number` the number of species.
    """
    codes = [taxon.code for taxon in raw.species]
    tested = split_share(raw.recordings, settings.test_share, settings.seed)
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / "metadata.csv.part"  # half a table would read as a smaller data set
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*METADATA_COLUMNS, *codes])
        for done, recording in enumerate(raw.recordings, start=1):
            subset = "test" if recording.name in tested else "train"
            for window in _cut(recording, out / "audio", settings):
                marks = [int(code in window.codes) for code in codes]
                writer.writerow([*_fixed(recording, window, subset, sum(marks)), *marks])
            on_recording(done, len(raw.recordings))
    unfinished.replace(out / "metadata.csv")


def window_starts(samples: int, rate_hz: int) -> range:
    """Return the whole seconds at which a window begins; a recording has no more windows than it can fill."""
    return range(0, samples // rate_hz - WINDOW_S + 1, HOP_S)


def window_codes(boxes: Sequence[StrongLabel], start_s: float, min_overlap_s: float) -> frozenset[str]:
    """Return the species of which enough lies in the window that begins at `start_s`."""
    return frozenset(box.code for box in boxes if _is_in(box, start_s, min_overlap_s))


def prepare(window: FloatArray, settings: AnurasetWindowSettings) -> FloatArray:
    """Filter a window (samples,) at FILE_RATE_HZ and bring it to the peak; silence stays silence."""
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


def _fixed(recording: Recording, window: _LabelledWindow, subset: str, species: int) -> tuple[object, ...]:
    """Return the cells of the FIXED columns."""
    end_s = window.start_s + WINDOW_S
    day = recording.start.strftime("%Y-%m-%d %H:%M:%S") if recording.start else ""
    return (window.file, recording.group, window.start_s, end_s, recording.site, day, species, subset)


def _is_in(box: StrongLabel, start_s: float, min_overlap_s: float) -> bool:
    overlap_s = min(box.offset_s, start_s + WINDOW_S) - max(box.onset_s, start_s)
    return overlap_s > 0 and overlap_s >= min(min_overlap_s, box.offset_s - box.onset_s)
