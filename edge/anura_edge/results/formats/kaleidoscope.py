"""The CSV table of Kaleidoscope (Wildlife Acoustics): one call per line."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from anura_edge.events import Verdict
from anura_edge.results.formats.delimited import write_lines
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import counted_label, counted_name, reviewed_utc
from anura_edge.results.spreadsheet import Cell

_COLUMNS = [
    "INDIR", "FOLDER", "IN FILE", "OFFSET", "DURATION", "TOP1MATCH", "TOP1DIST",
    "MANUAL ID", "REVIEWER", "REVIEWED (UTC)",
]  # fmt: skip


def kaleidoscope(calls: Iterable[RowValues], context: FormatContext) -> Iterator[FilePart]:
    """Yield the table. OFFSET and DURATION are in seconds. TOP1DIST is 1 minus the score: a small distance is a match.

    TOP1MATCH is what the model found. MANUAL ID is what a person said: a name, or `not` and the name. Else it is empty.

    Kaleidoscope looks for INDIR/FOLDER/IN FILE. INDIR is empty unless the context names the folder of the recordings.
    """
    return write_lines(_COLUMNS, (_line(call, context) for call in calls))


def _line(call: RowValues, context: FormatContext) -> list[Cell]:
    path, rate_hz = PurePosixPath(call["path"]), call["rate_hz"]
    folder = "" if path.parent == PurePosixPath() else str(path.parent)
    duration_s = (call["offset_sample"] - call["onset_sample"]) / rate_hz
    found = call["scientific_name"] or call["label"]
    return [
        context.recordings, folder, path.name, call["onset_sample"] / rate_hz, duration_s, found,
        round(1 - call["p_peak"], 6), _manual_id(call), call["reviewer"] or "", reviewed_utc(call),
    ]  # fmt: skip


def _manual_id(call: RowValues) -> str:
    name = counted_name(call) or counted_label(call)
    return {None: "", Verdict.REJECTED: f"not {name}"}.get(call["verdict"], name)
