"""Label tracks for Audacity: one file for each recording, with three columns. The label includes score and verdict."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import PurePosixPath

from anura_edge.results.formats.parts import CHUNK_ROWS, FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import counted_label
from anura_edge.results.streaming_zip import StreamingZip

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}", re.ASCII)
_MAX_PART = 150
"""Characters of one part of a path. File systems allow 255 bytes."""


def audacity(calls: Iterable[RowValues], _context: FormatContext) -> Iterator[FilePart]:
    """Yield a ZIP of label tracks. A track has the path of its recording: FOLDER/NAME.txt."""
    archive, names, rows = StreamingZip(), TrackNames(".txt"), 0
    for _, group in groupby(calls, key=recording_key):
        first = next(group)
        with archive.file(names.of(first["path"])) as track:
            for call in chain((first,), group):
                track.write(_line(call))
                rows += 1
        if rows >= CHUNK_ROWS:
            yield FilePart(archive.take(), rows)
            rows = 0
    yield FilePart(archive.close(), rows)


def label_track(calls: Iterable[RowValues], _context: FormatContext) -> Iterator[FilePart]:
    """Yield the label track of one recording."""
    for call in calls:
        yield FilePart(_line(call).encode(), 1)


class TrackNames:
    """Names of the files of recordings. Two recordings never have the same one, also where case does not count."""

    def __init__(self, suffix: str) -> None:
        self._suffix, self._used = suffix, set[str]()

    def of(self, path: str) -> str:
        """Return the safe path of a recording with the suffix in place of its own one."""
        stem = str(PurePosixPath(safe_path(path)).with_suffix(""))
        name, number = stem, 1
        while name.lower() in self._used:
            number += 1
            name = f"{stem}-{number}"
        self._used.add(name.lower())
        return f"{name}{self._suffix}"

    def has(self, path: str) -> bool:
        """Return whether a path was returned."""
        return path.endswith(self._suffix) and path.removesuffix(self._suffix).lower() in self._used


def safe_path(path: str) -> str:
    """Return the path of a recording, without special characters and without dots at the begin of a name."""
    parts = (_UNSAFE.sub("_", part).lstrip(".")[:_MAX_PART] or "_" for part in path.split("/"))
    return "/".join(parts)


def recording_key(call: RowValues) -> tuple[str, str, str, str]:
    """Return what two calls of the same recording share."""
    return call["site"], call["device"], call["recording_name"], call["recording"]


def _line(call: RowValues) -> str:
    begin, end = call["onset_sample"] / call["rate_hz"], call["offset_sample"] / call["rate_hz"]
    label = f"{counted_label(call)} {call['p_peak']:.2f}"
    if call["verdict"]:
        label += f" {call['verdict']} by {call['reviewer']} {call['reviewed_utc']:%Y-%m-%d}"
    printable = "".join(character if character.isprintable() else " " for character in label)
    return f"{begin:.6f}\t{end:.6f}\t{printable}\n"
