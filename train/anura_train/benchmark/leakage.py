"""The same windows split in two ways: at random, which explains published scores of 0.96, and by group.

Windows of 3 s that start each second share two thirds of their audio with their neighbours. Split one by one, a model
is tested on audio that it was trained on. Only a split of whole groups shows how well it does on other recordings.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import soundfile

from anura_train.batches.audio_cache import AudioCache
from anura_train.batches.windows import cut_windows
from anura_train.checkpoints.files import replace_file
from anura_train.data import Corpus, Recording, WeakLabel
from anura_train.data.readers.csv_tables import write_tables
from anura_train.models.settings import RATE_HZ
from anura_train.models.window import WINDOW_S
from anura_train.recipe import WindowSettings

SPLITS = ("random", "grouped")


def write_both_splits(corpus: Corpus, out: Path) -> Corpus:
    """Write the windows of recordings with a species, and tables of them in OUT/random and OUT/grouped.

    In the first, each window is a separate group. Returns the corpus of the second. Existing windows are not written
    again.
    """
    windows = replace(corpus, recordings=tuple(_windows(corpus, out / "windows")))
    single = replace(corpus, recordings=tuple(replace(each, group=each.name) for each in windows.recordings))
    for split, each in zip(SPLITS, (single, windows), strict=True):
        write_tables(each, out / split)
    return windows


def _windows(corpus: Corpus, folder: Path) -> Iterator[Recording]:
    cache = AudioCache(RATE_HZ, free_samples=0)
    for recording in corpus.frogs:
        samples = None
        for window in cut_windows([recording], WindowSettings()):
            name = f"{recording.name.replace('/', '_')}_{window.start_s:g}"
            path = folder / f"{name}.flac"
            if not path.exists():
                samples = cache[recording] if samples is None else samples
                start = round(window.start_s * RATE_HZ)
                with replace_file(path) as temporary:
                    soundfile.write(
                        temporary, samples[start : start + WINDOW_S * RATE_HZ], RATE_HZ, "PCM_16", format="FLAC"
                    )
            yield replace(
                recording, path=path, name=name, weak=tuple(map(WeakLabel, window.codes)), strong=(), split=""
            )
