"""Clips of bouts, from the clip folder or from the recordings."""

import io
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.clips.finder import ClipFinder, FoundClip
from anura_edge.config.device import Config
from anura_edge.errors import UnreadableError
from anura_edge.results.report.page import ExampleClip
from anura_edge.results.rows import Bout
from anura_edge.results.spectrogram_png import spectrogram_png
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.database import Database
from anura_edge.wire import Owner


def example_clips(settings: Config, bouts: Iterable[Bout], recordings: Path | None, most: int) -> list[ExampleClip]:
    """Return the clips of the best bout of each of the `most` species with the highest scores, the best first.

    A bout without a saved clip and without its recording below `recordings` has no clip.
    """
    best: dict[str, Bout] = {}
    for bout in bouts:
        if bout.name not in best or bout.score > best[bout.name].score:
            best[bout.name] = bout
    chosen = sorted(best.values(), key=lambda bout: (-bout.score, bout.name))[:most]
    found = bout_clips(settings, chosen, recordings)
    return [ExampleClip(bout, clip.flac, spectrogram_png(*decode(clip.flac))) for bout, clip in found]


def bout_clips(settings: Config, bouts: Iterable[Bout], recordings: Path | None) -> Iterator[tuple[Bout, FoundClip]]:
    """Yield the bouts that have a saved clip, or a recording below `recordings`, with their audio."""
    with closing(Database(settings.journal_path, Owner())) as database:
        finder = ClipFinder(ClipIndex(database), settings.clips_path, settings.clips, settings.audio)
        if recordings:
            finder.add_root(recordings)
        for bout in bouts:
            with suppress(UnreadableError):
                yield bout, finder.find(bout.id)


def decode(flac: bytes) -> tuple[FloatArray, int]:
    """Return the samples of a mono clip, shape (n,), and its rate in Hz."""
    samples, rate_hz = sf.read(io.BytesIO(flac), dtype="float32")
    return samples, int(rate_hz)
