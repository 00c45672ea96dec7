"""A selection table for Raven, over all recordings of all sites.

Raven finds a selection in one of two ways (github.com/maRce10/Rraven, issue 3). A sound selection table is read by
`Begin Path` and `File Offset (s)`. A selection table is read by `Begin Time (s)`, which counts through all files that
are opened together. So the times here are cumulative, over all recordings in the order of their paths.
"""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from anura_edge.results.formats.delimited import write_lines
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import (
    clock_note,
    counted_label,
    counted_name,
    known_utc,
    reviewed_utc,
    taxon_name,
)
from anura_edge.results.spreadsheet import Cell

MIN_HZ, MAX_HZ = 0, 12_000
"""Raven requires a frequency range. An event has none, so all boxes have the same."""

_COLUMNS = [
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin Path", "File Offset (s)", "Species Code", "Scientific Name", "Confidence", "Survey Time (UTC)",
    "Verdict", "Reviewer", "Reviewed (UTC)", "Clock", "Clock Note",
]  # fmt: skip


def raven(calls: Iterable[RowValues], context: FormatContext) -> Iterator[FilePart]:
    """Yield the table. `Begin Path` is relative to the table unless the context names a folder."""
    return write_lines(_COLUMNS, (_selection(number, row, context) for number, row in enumerate(calls, 1)), "\t")


def _selection(number: int, row: RowValues, context: FormatContext) -> list[Cell]:
    offset_s, end_s = row["onset_sample"] / row["rate_hz"], row["offset_sample"] / row["rate_hz"]
    return [
        number, "Spectrogram 1", (row["channel"] or 0) + 1, row["begin_s"] + offset_s, row["begin_s"] + end_s,
        MIN_HZ, min(MAX_HZ, row["rate_hz"] // 2), str(PurePath(context.recordings, row["path"])), offset_s,
        counted_label(row), taxon_name(counted_name(row)), row["p_peak"], known_utc(row, "start_utc"),
        row["verdict"] or "", row["reviewer"] or "", reviewed_utc(row), row["clock_source"], clock_note(row),
    ]  # fmt: skip
