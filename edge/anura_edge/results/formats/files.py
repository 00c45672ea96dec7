"""Writes calls into a folder: one file for all recordings, or one for each, in the folders of the recordings."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from anura_edge.results.formats.audacity import TrackNames, recording_key
from anura_edge.results.formats.parts import FormatContext, RowValues
from anura_edge.results.formats.registry import CALL_FORMATS, FORMATS
from anura_edge.results.formats.source import ResultSource
from anura_edge.results.new_file import replace_file


def write_all(name: str, source: ResultSource, context: FormatContext, file: Path) -> int:
    """Write one file with the rows of all recordings. Return the number of rows.

    Raises ConfigError if it cannot be written, or if the format needs what is missing.
    """
    rows = 0

    def parts() -> Iterator[bytes]:
        nonlocal rows
        for part in FORMATS[name].write(source, context):
            rows += part.rows
            yield part.data

    replace_file(file, parts())
    return rows


def write_recordings(name: str, calls: Iterable[RowValues], context: FormatContext, folder: Path) -> int:
    """Write one file for each recording that has calls. Return the number of files.

    A file has the path of its recording below the folder. Files of earlier runs are replaced.

    Raises ConfigError if one cannot be written.
    """
    form, count = CALL_FORMATS[name], 0
    names = TrackNames(form.recording_suffix)
    for _, group in groupby(calls, key=recording_key):
        of_recording = [{**call, "begin_s": 0.0} for call in group]
        parts = (part.data for part in form.write_recording(of_recording, context))
        replace_file(folder / names.of(of_recording[0]["path"]), parts)
        count += 1
    return count
