"""CSV tables with exactly the column names that other programs expect.

birdnet  one call per line; the columns of BirdNET come first, so birdnetTools (R) and spreadsheets can read it
effort   one piece of effort per line; the absence of calls means something only where the state is `analysed`
"""

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from anura_edge.nights import night
from anura_edge.results.formats.delimited import write_lines
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import (
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
from anura_edge.results.spreadsheet import Cell

_BIRDNET = [
    "Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File",
    "start_utc", "end_utc", "tz", "night", "site_id", "device", "label", "p_mean", "level_dbfs", "clock_source",
    "model_id", "model_version", "model_sha256", "id", "is_reliable", "channel", "recorder_start", "clock_note",
    "verdict", "reviewer", "reviewed_utc", "model_label", "model_name",
    "local_time", "t2ss", "t2sr",
]  # fmt: skip

_EFFORT = [
    "site_id", "device", "night", "start_utc", "tz", "state", "seconds", "recording", "File", "clock_source",
    "model_id", "model_version", "model_sha256", "id", "recorder_start", "clock_note",
]  # fmt: skip


def birdnet(calls: Iterable[RowValues], context: FormatContext) -> Iterator[FilePart]:
    """Yield a CSV table of calls. `t2ss` and `t2sr` are the minutes since sunset and sunrise (ARUtools, `calc_sun`)."""
    return write_lines(_BIRDNET, (_call(row, context) for row in calls))


def effort_table(effort: Iterable[RowValues], context: FormatContext) -> Iterator[FilePart]:
    """Yield a CSV table of effort."""
    return write_lines(_EFFORT, (_piece(row, context) for row in effort))


def _call(row: RowValues, context: FormatContext) -> list[Cell]:
    return [
        row["onset_sample"] / row["rate_hz"], row["offset_sample"] / row["rate_hz"],
        taxon_name(counted_name(row)), common_name(row), row["p_peak"], row["recording_name"],
        known_utc(row, "start_utc"), known_utc(row, "end_utc"), context.zone(row),
        str(known_night(row, context) or ""), row["site"], row["device"], counted_label(row), row["p_mean"],
        row["level_dbfs"], row["clock_source"], row["model_id"], row["model_version"],
        row["model_sha256"], str(row["id"]), str(row["is_reliable"]).lower(),
        "" if row["channel"] is None else row["channel"], recorder_time(row), clock_note(row),
        row["verdict"] or "", row["reviewer"] or "", reviewed_utc(row), row["label"], row["scientific_name"],
        *_local_times(row, context),
    ]  # fmt: skip


def _piece(row: RowValues, context: FormatContext) -> list[Cell]:
    return [
        row["site"], row["device"], str(known_night(row, context) or ""), known_utc(row, "start_utc"),
        context.zone(row), row["state"], row["samples"] / row["rate_hz"],
        row["recording"], row["recording_name"], row["clock_source"], row["model_id"],
        row["model_version"], row["model_sha256"], str(row["id"]), recorder_time(row), clock_note(row),
    ]  # fmt: skip


def _local_times(call: RowValues, context: FormatContext) -> tuple[str, Cell, Cell]:
    """Return the local time, and the minutes since the sunset and the sunrise of the night. Unknown ones are empty."""
    place, evening = context.place(call["site"]), known_night(call, context)
    if place is None or evening is None:
        return "", "", ""
    start, of_night = call["start_utc"], night(place, evening)
    local = start.astimezone(ZoneInfo(place.zone)).isoformat(timespec="seconds")
    suns = (of_night.sunset_utc, of_night.sunrise_utc)
    to_sunset, to_sunrise = ("" if sun is None else round((start - sun).total_seconds() / 60, 1) for sun in suns)
    return local, to_sunset, to_sunrise
