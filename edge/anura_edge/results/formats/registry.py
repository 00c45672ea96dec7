"""The formats of calls, by name. The laptop and the base station write the same ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from anura_edge.results.formats.audacity import audacity, label_track
from anura_edge.results.formats.kaleidoscope import kaleidoscope
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.raven import raven
from anura_edge.results.formats.tables import birdnet

Write = Callable[[Iterable[RowValues], FormatContext], Iterator[FilePart]]
"""Writes calls, in the order of their recordings, as the parts of one file."""


@dataclass(frozen=True, slots=True)
class CallFormat:
    """A format whose rows are calls."""

    suffix: str
    """Suffix of the file with the calls of all recordings."""
    media_type: str
    write: Write
    write_recording: Write
    """Writes the calls of one recording."""
    recording_suffix: str
    """End of the name of a file with the calls of one recording."""


_CSV, _TSV = "text/csv; charset=utf-8", "text/tab-separated-values; charset=utf-8"

CALL_FORMATS: Mapping[str, CallFormat] = {
    "birdnet": CallFormat("csv", _CSV, birdnet, birdnet, ".BirdNET.results.csv"),
    "raven": CallFormat("txt", _TSV, raven, raven, ".selections.txt"),
    "audacity": CallFormat("zip", "application/zip", audacity, label_track, ".txt"),
    "kaleidoscope": CallFormat("csv", _CSV, kaleidoscope, kaleidoscope, ".kaleidoscope.csv"),
}
