"""A selection table for Raven, over all recordings of all sites.

Raven finds a selection in one of two ways (github.com/maRce10/Rraven, issue 3). A sound selection table is read by
`Begin Path` and `File Offset (s)`. A selection table is read by `Begin Time (s)`, which counts through all files that
are opened together. So the times here are cumulative, over all recordings in the order of their paths.
"""

from collections.abc import Iterator
from pathlib import PurePath

from sqlalchemy import CTE, Connection, Double, cast, func, select, union_all

from anura_base.analysis.rows import select_rows
from anura_base.db.schema import effort, events
from anura_base.exchange.formats.delimited import write_lines
from anura_base.exchange.row_texts import (
    clock_note,
    counted_label,
    counted_name,
    known_utc,
    recording_path,
    reviewed_utc,
    taxon_name,
)
from anura_base.exchange.rows import ExportContext, FilePart, RowValues, stream
from anura_edge.events import EffortState
from anura_edge.results.spreadsheet import Cell

MIN_HZ, MAX_HZ = 0, 12_000
"""Raven requires a frequency range. An event has none, so all boxes have the same."""

_COLUMNS = [
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
    "Begin Path", "File Offset (s)", "Species Code", "Scientific Name", "Confidence", "Survey Time (UTC)",
    "Verdict", "Reviewer", "Reviewed (UTC)", "Clock", "Clock Note",
]  # fmt: skip


def raven(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield the table. `Begin Path` is relative to the table unless the context names a folder."""
    recordings = _recordings()
    r, e = recordings.c, events.c
    same = (r.site == e.site) & (r.device == e.device) & (r.recording == e.recording)
    query = select_rows(events, confirmed=context.confirmed).add_columns(r.begin_s).join(recordings, same)
    rows = stream(connection, query.order_by(r.site, r.device, r.name, r.recording, e.onset_sample, e.arrival))
    return write_lines(_COLUMNS, (_selection(number, row, context) for number, row in enumerate(rows, 1)), "\t")


def _recordings() -> CTE:
    """Return every recording with the length of all recordings before it, in the order of their paths."""
    e, f = events.c, effort.c
    columns = [(t.site, t.device, t.recording, t.recording_name.label("name")) for t in (e, f)]
    ends = union_all(
        select(*columns[0], (cast(e.offset_sample, Double) / e.rate_hz).label("end_s")),
        select(*columns[1], cast(f.first_sample + f.samples, Double) / f.rate_hz).where(f.state != EffortState.OFF),
    ).subquery()
    c = ends.c
    key = c.site, c.device, c.recording
    lengths = select(*key, func.min(c.name).label("name"), func.max(c.end_s).label("s")).group_by(*key).subquery()
    s = lengths.c
    before = func.sum(s.s).over(order_by=[s.site, s.device, s.name, s.recording], rows=(None, -1))
    return select(s.site, s.device, s.recording, s.name, func.coalesce(before, 0.0).label("begin_s")).cte("recordings")


def _selection(number: int, row: RowValues, context: ExportContext) -> list[Cell]:
    path = PurePath(context.recordings, recording_path(row["site"], row["device"], row["recording_name"]))
    offset_s, end_s = row["onset_sample"] / row["rate_hz"], row["offset_sample"] / row["rate_hz"]
    return [
        number, "Spectrogram 1", (row["channel"] or 0) + 1, row["begin_s"] + offset_s, row["begin_s"] + end_s,
        MIN_HZ, min(MAX_HZ, row["rate_hz"] // 2), str(path), offset_s,
        counted_label(row), taxon_name(counted_name(row)), row["p_peak"], known_utc(row, "start_utc"),
        row["verdict"] or "", row["reviewer"] or "", reviewed_utc(row), row["clock_source"], clock_note(row),
    ]  # fmt: skip
