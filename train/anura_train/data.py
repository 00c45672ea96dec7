"""Recordings on disk and the tables that describe them.

    DIR/frogs/frogs.csv              file, code, species, group, licence, attribution   one species a recording (weak)
    DIR/background/background.csv    file, kind, group, licence, attribution            no frog of ours
    DIR/esc10/esc10.csv              file, label                                        ESC-10 (Piczak 2015), CC BY 3.0

Paths in a table are relative to it. Recordings of one `group` share a source or a session: they may not be split.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import soxr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError

RATE_HZ = 22_050
"""Every model here works at this rate: frogs of our region call below 8 kHz, and CD recordings halve to it exactly."""

MIN_GROUPS = 2
"""A species becomes a label when it has recordings of so many groups: one to learn from and one to be tested on."""

FREE_LICENCES = ("US public domain", "CC0", "CC BY 3.0", "CC BY 4.0")
"""Backgrounds under these may be learnt from; the others serve as places that the model never heard."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording and what its table says of it."""

    path: Path
    name: str
    """Data set and file, as in `frogs/audio/ACRCRE_g019.flac`: unique in a corpus."""
    code: str
    """The species' code; empty for background."""
    kind: str
    """Scientific name for a frog, the kind of sound for background."""
    group: str
    licence: str
    attribution: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """All that is learnt from and tested on."""

    frogs: tuple[Clip, ...]
    backgrounds: tuple[Clip, ...]
    """Free backgrounds: learnt from, and tested on out of fold."""
    held_out: tuple[Clip, ...]
    """Backgrounds that no model may learn from."""

    def labels(self) -> tuple[str, ...]:
        """Return the codes with at least MIN_GROUPS groups, sorted: the order of every score."""
        groups: dict[str, set[str]] = defaultdict(set)
        for clip in self.frogs:
            groups[clip.code].add(clip.group)
        return tuple(sorted(code for code, members in groups.items() if len(members) >= MIN_GROUPS))


class _Row(BaseModel):
    # Tables carry more columns than we read (durations, original rates); those are for people.
    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)

    file: str = Field(min_length=1)


class _FrogRow(_Row):
    code: str = Field(pattern="^[A-Za-z0-9_-]{1,32}$")
    species: str = Field(min_length=1)
    group: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    attribution: str


class _BackgroundRow(_Row):
    kind: str = Field(min_length=1)
    group: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    attribution: str


class _Esc10Row(_Row):
    label: str = Field(min_length=1)


R = TypeVar("R", bound=_Row)


def read_corpus(root: Path) -> Corpus:
    """Read the three tables under a folder.

    Raises SourceError naming the table, line and column, or the recording that is missing.
    """
    background = tuple(_unique(_backgrounds(root))) + tuple(_unique(_esc10(root)))
    corpus = Corpus(
        frogs=tuple(_unique(_frogs(root))),
        backgrounds=tuple(clip for clip in background if clip.licence in FREE_LICENCES),
        held_out=tuple(clip for clip in background if clip.licence not in FREE_LICENCES),
    )
    for clip in corpus.frogs + background:
        if not clip.path.is_file():
            raise SourceError(f"{clip.path} is listed but missing; copy the data set again or delete its row")
    return corpus


def load(clip: Clip, rate_hz: int = RATE_HZ) -> FloatArray:
    """Read a recording as mono float32, shape (samples,), at a rate; SourceError when it cannot be decoded."""
    try:
        samples, original_hz = soundfile.read(clip.path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"cannot decode {clip.path}: {error}; copy it again or delete its row") from error
    if len(samples) == 0:
        raise SourceError(f"{clip.path} has no samples; delete its row")
    mono = samples.mean(axis=1)
    return np.asarray(soxr.resample(mono, original_hz, rate_hz) if original_hz != rate_hz else mono, np.float32)


def _frogs(root: Path) -> Iterator[Clip]:
    table = root / "frogs/frogs.csv"
    for row in _rows(table, _FrogRow):
        path = table.parent / row.file
        yield Clip(path, f"frogs/{row.file}", row.code, row.species, row.group, row.licence, row.attribution)


def _backgrounds(root: Path) -> Iterator[Clip]:
    table = root / "background/background.csv"
    for row in _rows(table, _BackgroundRow):
        path = table.parent / row.file
        yield Clip(path, f"background/{row.file}", "", row.kind, row.group, row.licence, row.attribution)


def _esc10(root: Path) -> Iterator[Clip]:
    table = root / "esc10/esc10.csv"
    for row in _rows(table, _Esc10Row):
        # ESC-50 names files FOLD-SOURCE-TAKE; takes of one source recording belong together.
        source = "-".join(Path(row.file).stem.split("-")[:2])
        yield Clip(
            table.parent / row.file, f"esc10/{row.file}", "", row.label, source, "CC BY 3.0", "ESC-10, K. J. Piczak"
        )


def _rows(table: Path, row_type: type[R]) -> Iterator[R]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                yield _row(row, row_type, f"{table}, line {line}")
    except OSError as error:
        raise SourceError(
            f"cannot read {table}: {error.strerror}; name the folder that holds frogs/frogs.csv"
        ) from error


def _row(row: dict[str, str], row_type: type[R], where: str) -> R:
    try:
        return row_type.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        raise SourceError(f"{where}: {first['loc'][0]}: {first['msg']}; correct the row or delete it") from error


def _unique(clips: Iterator[Clip]) -> Iterator[Clip]:
    """Keep the first of rows that name one file; a table may list excerpts of it apart."""
    seen: set[str] = set()
    for clip in clips:
        if clip.name not in seen:
            seen.add(clip.name)
            yield clip
