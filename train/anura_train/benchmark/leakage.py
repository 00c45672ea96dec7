"""The same windows split twice: at random, as figures of 0.96 come about, and by group.

Windows of 3 s that begin each second share two thirds of their sound with their neighbours. Dealt one by one, a model
is tested on what it learnt; only whole groups tell what it will hear in other recordings.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import soundfile

from anura_train.batches.audio_cache import AudioCache
from anura_train.batches.windows import cut_windows
from anura_train.data import Corpus, Recording, WeakLabel
from anura_train.data.readers.csv_tables import write_tables
from anura_train.models.settings import RATE_HZ
from anura_train.models.window import WINDOW_S
from anura_train.recipe import WindowSettings

SPLITS = ("random", "grouped")


def write_both_splits(corpus: Corpus, out: Path) -> Corpus:
    """Write the windows of recordings with a species, and tables of them in OUT/random and OUT/grouped.

    In the first each window is a group of its own. Returns the corpus of the second; windows that are there stay.
    """
    windows = replace(corpus, recordings=tuple(_windows(corpus, out / "windows")))
    alone = replace(corpus, recordings=tuple(replace(each, group=each.name) for each in windows.recordings))
    for split, each in zip(SPLITS, (alone, windows), strict=True):
        write_tables(each, out / split)
    return windows


def _windows(corpus: Corpus, folder: Path) -> Iterator[Recording]:
    folder.mkdir(parents=True, exist_ok=True)
    cache = AudioCache(RATE_HZ, free_samples=0)
    for recording in corpus.frogs:
        sound = None
        for window in cut_windows([recording], WindowSettings()):
            name = f"{recording.name.replace('/', '_')}_{window.start_s:g}"
            path = folder / f"{name}.flac"
            if not path.exists():
                sound = cache[recording] if sound is None else sound
                start = round(window.start_s * RATE_HZ)
                young = path.with_suffix(".new")
                soundfile.write(young, sound[start : start + WINDOW_S * RATE_HZ], RATE_HZ, "PCM_16", format="FLAC")
                young.replace(path)
            yield replace(
                recording, path=path, name=name, weak=tuple(map(WeakLabel, window.codes)), strong=(), split=""
            )
