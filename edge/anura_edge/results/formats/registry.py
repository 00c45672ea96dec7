"""The formats, by name. The laptop and the base station write the same ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from anura_edge.results.formats.aoef import aoef
from anura_edge.results.formats.audacity import audacity, label_track
from anura_edge.results.formats.camtrap import camtrap_dp
from anura_edge.results.formats.columns import csv_table
from anura_edge.results.formats.darwin_core import darwin_core
from anura_edge.results.formats.kaleidoscope import kaleidoscope
from anura_edge.results.formats.parquet import parquet_calls, parquet_effort
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.raven import raven
from anura_edge.results.formats.source import ResultSource
from anura_edge.results.formats.tables import birdnet, effort_table

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


@dataclass(frozen=True, slots=True)
class Format:
    """A format of one file."""

    suffix: str
    media_type: str
    write: Callable[[ResultSource, FormatContext], Iterator[FilePart]]
    """Raises ConfigError, before the first part, if it needs a position or a package that is missing."""
    of_calls: bool = True
    """Whether its rows are calls."""


_CSV, _TSV = "text/csv; charset=utf-8", "text/tab-separated-values; charset=utf-8"

CALL_FORMATS: Mapping[str, CallFormat] = {
    "birdnet": CallFormat("csv", _CSV, birdnet, birdnet, ".BirdNET.results.csv"),
    "raven": CallFormat("txt", _TSV, raven, raven, ".selections.txt"),
    "audacity": CallFormat("zip", "application/zip", audacity, label_track, ".txt"),
    "kaleidoscope": CallFormat("csv", _CSV, kaleidoscope, kaleidoscope, ".kaleidoscope.csv"),
    "csv": CallFormat("csv", _CSV, csv_table, csv_table, ".calls.csv"),
}
"""Formats that can also have a file for each recording."""

DEFAULT_FORMATS = ("birdnet", "raven", "audacity", "kaleidoscope")
"""What a scan writes if no format is named."""


def _of_calls(name: str, source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    return CALL_FORMATS[name].write(source.calls(), context)


def _effort(source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    return effort_table(source.effort(), context)


_ZIP, _PARQUET = "application/zip", "application/vnd.apache.parquet"

FORMATS: Mapping[str, Format] = {
    **{name: Format(form.suffix, form.media_type, partial(_of_calls, name)) for name, form in CALL_FORMATS.items()},
    "aoef": Format("json", "application/json", aoef),
    "camtrap-dp": Format("zip", _ZIP, camtrap_dp),
    "darwin-core": Format("csv", _CSV, darwin_core),
    "parquet": Format("parquet", _PARQUET, parquet_calls),
    "effort": Format("csv", _CSV, _effort, of_calls=False),
    "parquet-effort": Format("parquet", _PARQUET, parquet_effort, of_calls=False),
}
"""All formats of one file."""
