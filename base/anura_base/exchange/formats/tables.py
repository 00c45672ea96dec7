"""CSV tables with exactly the column names that other programs expect.

birdnet  one call per line; the columns of BirdNET come first, so birdnetTools (R) and spreadsheets can read it
effort   one piece of effort per line; the absence of calls means something only where the state is `analysed`
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from anura_base.db.schema import effort, events
from anura_base.exchange.formats.delimited import write_lines
from anura_base.exchange.row_texts import (
    clock_note,
    common_name,
    counted_label,
    counted_name,
    known_night,
    known_utc,
    recorder_time,
    reviewed_utc,
    taxon_name,
)
from anura_base.exchange.rows import ExportContext, FilePart, RowValues, read_rows
from anura_edge.results.spreadsheet import Cell

_BIRDNET = [
    "Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File",
    "start_utc", "end_utc", "tz", "night", "site_id", "device", "label", "p_mean", "level_dbfs", "clock_source",
    "model_id", "model_version", "model_sha256", "id", "is_reliable", "channel", "recorder_start", "clock_note",
    "verdict", "reviewer", "reviewed_utc", "model_label", "model_name",
]  # fmt: skip

_EFFORT = [
    "site_id", "device", "night", "start_utc", "tz", "state", "seconds", "recording", "File", "clock_source",
    "model_id", "model_version", "model_sha256", "id", "recorder_start", "clock_note",
]  # fmt: skip


def birdnet(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a CSV table of calls."""
    return write_lines(_BIRDNET, (_call(row, context) for row in read_rows(connection, events, context)))


def effort_table(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a CSV table of effort."""
    return write_lines(_EFFORT, (_piece(row, context) for row in read_rows(connection, effort, context)))


def _call(row: RowValues, context: ExportContext) -> list[Cell]:
    return [
        row["onset_sample"] / row["rate_hz"], row["offset_sample"] / row["rate_hz"],
        taxon_name(counted_name(row)), common_name(row), row["p_peak"], row["recording_name"],
        known_utc(row, "start_utc"), known_utc(row, "end_utc"), context.site(row["site"]).zone,
        str(known_night(row, context) or ""), row["site"], row["device"], counted_label(row), row["p_mean"],
        row["level_dbfs"], row["clock_source"], row["model_id"], row["model_version"],
        row["model_sha256"], str(row["id"]), str(row["is_reliable"]).lower(),
        "" if row["channel"] is None else row["channel"], recorder_time(row), clock_note(row),
        row["verdict"] or "", row["reviewer"] or "", reviewed_utc(row), row["label"], row["scientific_name"],
    ]  # fmt: skip


def _piece(row: RowValues, context: ExportContext) -> list[Cell]:
    return [
        row["site"], row["device"], str(known_night(row, context) or ""), known_utc(row, "start_utc"),
        context.site(row["site"]).zone, row["state"], row["samples"] / row["rate_hz"],
        row["recording"], row["recording_name"], row["clock_source"], row["model_id"],
        row["model_version"], row["model_sha256"], str(row["id"]), recorder_time(row), clock_note(row),
    ]  # fmt: skip
