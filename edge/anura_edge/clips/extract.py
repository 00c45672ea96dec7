"""Extracts clips of bouts into folders by species, for people who check or label them."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import soundfile as sf

from anura_edge.clips.examples import bout_clips, decode
from anura_edge.clips.finder import FoundClip
from anura_edge.config.device import Config
from anura_edge.results.new_file import create_file, file_stem, make_folder
from anura_edge.results.rows import Bout
from anura_edge.sources.metadata.guano import guano_chunk

SCORE_BINS = 10
"""Bins of equal width from 0 to 1."""


def choose_bouts(bouts: Iterable[Bout], per_species: int, *, by_score_bins: bool) -> list[Bout]:
    """Return at most `per_species` bouts of each species: the best, or equally many of each bin of scores.

    Within a bin the choice is random, and the same each time: it is ordered by a hash of the bout's id.
    """
    of_species: defaultdict[str, list[Bout]] = defaultdict(list)
    for bout in bouts:
        of_species[bout.name].append(bout)
    return [
        bout
        for _, found in sorted(of_species.items())
        for bout in (_from_bins(found) if by_score_bins else _best(found))[:per_species]
    ]


def extract_clips(
    settings: Config, bouts: Sequence[Bout], recordings: Path | None, model: str, folder: Path
) -> Iterator[Path]:
    """Write a WAV file with GUANO for each bout whose audio is found, into a folder of its species. Yield each file.

    A file that exists is left as it is. Raises ConfigError if a file cannot be written.
    """
    missing = [bout for bout in bouts if not _path(bout, folder).exists()]
    for bout, clip in bout_clips(settings, missing, recordings):
        path = _path(bout, folder)
        make_folder(path.parent)
        with create_file(path) as output:
            output.write(to_wav(bout, clip, model))
        yield path


def to_wav(bout: Bout, clip: FoundClip, model: str) -> bytes:
    """Return a clip as a WAV file that says in GUANO what, when and where it is."""
    samples, rate_hz = decode(clip.flac)
    start_utc = bout.start_utc - timedelta(seconds=(bout.onset_sample - clip.first_sample) / bout.rate_hz)
    wav = io.BytesIO()
    sf.write(wav, samples, rate_hz, format="WAV", subtype="PCM_16")
    chunk = guano_chunk(
        {
            "Timestamp": start_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "Length": f"{len(samples) / rate_hz:.3f}",
            "Samplerate": str(rate_hz),
            "Species Auto ID": bout.name,
            "Original Filename": bout.recording_name,
            "Anura|Site": bout.owner.site,
            "Anura|Device": bout.owner.device,
            "Anura|Score": f"{bout.score:.4f}",
            "Anura|Onset": f"{(bout.onset_sample - clip.first_sample) / bout.rate_hz:.3f}",
            "Anura|Event": str(bout.id),
            "Anura|Model": model,
        }
    )
    data = wav.getvalue() + chunk
    return data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]


def _best(bouts: Iterable[Bout]) -> list[Bout]:
    return sorted(bouts, key=lambda bout: (-bout.score, bout.start_utc, bout.id))


def _from_bins(bouts: Iterable[Bout]) -> list[Bout]:
    """Return the bouts in turns: one of each bin of scores, then another one of each, and so on."""
    bins: defaultdict[int, list[Bout]] = defaultdict(list)
    for bout in sorted(bouts, key=lambda bout: hashlib.sha256(bout.id.bytes).digest()):
        bins[min(int(bout.score * SCORE_BINS), SCORE_BINS - 1)].append(bout)
    turns = ((turn, -number, bout) for number, found in bins.items() for turn, bout in enumerate(found))
    return [bout for _, _, bout in sorted(turns, key=lambda each: each[:2])]


def _path(bout: Bout, folder: Path) -> Path:
    """Return SPECIES/SCORE_SITE_TIME_ID.wav: sorted by name, the clips are sorted by score."""
    name = f"{bout.score:.3f}_{file_stem(bout.owner.site)}_{bout.start_utc:%Y%m%dT%H%M%SZ}_{bout.id.hex[:8]}.wav"
    return folder / file_stem(bout.name) / name
