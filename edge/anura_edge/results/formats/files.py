"""Writes calls into a folder: one file for each recording, in the folders of the recordings."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from anura_edge.results.formats.audacity import TrackNames, recording_key
from anura_edge.results.formats.parts import FormatContext, RowValues
from anura_edge.results.formats.registry import CALL_FORMATS
from anura_edge.results.new_file import PARTIAL_SUFFIX, has_bytes, replace_file


@dataclass(slots=True)
class RecordingFiles:
    """Files of recordings in a folder."""

    written: int = 0
    unchanged: int = 0
    """Files of an earlier run, or of one that was interrupted, that have the right content."""
    others: list[str] = field(default_factory=list)
    """Paths of files with the suffix of the format that are of no recording with calls, as after a correction."""


def write_recordings(name: str, calls: Iterable[RowValues], context: FormatContext, folder: Path) -> RecordingFiles:
    """Write one file for each recording that has calls.

    A file has the path of its recording below the folder. Files of earlier runs are replaced if their content differs,
    so an interrupted run is continued.

    Raises ConfigError if one cannot be written.
    """
    form, result = CALL_FORMATS[name], RecordingFiles()
    names = TrackNames(form.recording_suffix)
    for _, group in groupby(calls, key=recording_key):
        of_recording = [{**call, "begin_s": 0.0} for call in group]
        data = b"".join(part.data for part in form.write_recording(of_recording, context))
        file = folder / names.of(of_recording[0]["path"])
        if has_bytes(file, data):
            result.unchanged += 1
        else:
            replace_file(file, [data])
            result.written += 1
    result.others = sorted(path for path in _paths(folder, form.recording_suffix) if not names.has(path))
    return result


def _paths(folder: Path, suffix: str) -> Iterator[str]:
    """Yield the paths of the files with a suffix, and of half files of a run that was killed."""
    for file in folder.rglob("*"):
        if file.name.endswith((suffix, suffix + PARTIAL_SUFFIX)):
            yield file.relative_to(folder).as_posix()
