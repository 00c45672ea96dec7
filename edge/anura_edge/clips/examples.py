"""Clips of bouts, from the clip folder or from the recordings."""

import io
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.clips.finder import ClipFinder
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
    clips = []
    with closing(Database(settings.journal_path, Owner())) as database:
        finder = ClipFinder(ClipIndex(database), settings.clips_path, settings.clips, settings.audio)
        if recordings:
            finder.add_root(recordings)
        for bout in chosen:
            with suppress(UnreadableError):
                flac = finder.find(bout.id).flac
                clips.append(ExampleClip(bout, flac, spectrogram_png(*_decode(flac))))
    return clips


def _decode(flac: bytes) -> tuple[FloatArray, int]:
    samples, rate_hz = sf.read(io.BytesIO(flac), dtype="float32")
    return samples, int(rate_hz)
