"""All columns of calls and of effort, with their types, for CSV and Parquet.

The night of a row is empty if its clock is unknown. Its `start_utc` is then the recorder's own time.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from anura_edge.results.formats.delimited import write_lines
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import clock_note, iso_utc, known_night
from anura_edge.results.spreadsheet import Cell

ColumnType = Literal["text", "int", "float", "bool", "time", "date"]

_ROW: dict[str, ColumnType] = {
    "id": "text", "site": "text", "device": "text", "recording": "text", "recording_name": "text",
    "start_utc": "time", "clock_source": "text", "night": "date", "tz": "text", "rate_hz": "int",
}  # fmt: skip
_MODEL: dict[str, ColumnType] = {
    "model_id": "text", "model_version": "text", "model_sha256": "text", "config_hash": "text", "app_version": "text",
    "analysis": "text", "clock_shift_s": "float", "corrected_by": "text", "corrected_utc": "time", "clock_note": "text",
}  # fmt: skip

CALL_COLUMNS: Mapping[str, ColumnType] = {
    **_ROW,
    "end_utc": "time", "onset_sample": "int", "offset_sample": "int", "label": "text", "scientific_name": "text",
    "common_name": "text", "p_peak": "float", "p_mean": "float", "level_dbfs": "float", "channel": "int",
    "is_reliable": "bool", "verdict": "text", "new_label": "text", "new_name": "text", "reviewer": "text",
    "reviewed_utc": "time",
    **_MODEL,
}  # fmt: skip
EFFORT_COLUMNS: Mapping[str, ColumnType] = {
    **_ROW, "state": "text", "first_sample": "int", "samples": "int", "level_dbfs": "float", **_MODEL,
}  # fmt: skip


def typed_values(row: RowValues, columns: Mapping[str, ColumnType], context: FormatContext) -> dict[str, Any]:
    """Return the values of a row by column: text, numbers, datetimes and dates, or None."""
    more = {"night": known_night(row, context), "tz": context.zone(row), "clock_note": clock_note(row)}
    values = {name: more[name] if name in more else row.get(name) for name in columns}
    return {name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}


def csv_table(calls: Iterable[RowValues], context: FormatContext) -> Iterator[FilePart]:
    """Yield a CSV table with all columns of the calls. Unknown values are empty, and times are in UTC."""
    values = (typed_values(call, CALL_COLUMNS, context) for call in calls)
    return write_lines([*CALL_COLUMNS], ([_cell(value) for value in row.values()] for row in values))


def _cell(value: object) -> Cell:
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value if isinstance(value, int | float) else str(value)
