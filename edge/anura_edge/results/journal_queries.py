"""Queries for the results in a journal, and their rows as values."""

from datetime import datetime
from uuid import UUID

from anura_edge.results.formats.parts import RowValues
from anura_edge.results.formats.row_texts import inner_path
from anura_edge.results.rows import Bout
from anura_edge.wire import Owner

BOUT = (
    "id, site, device, label, scientific_name, common_name, p_peak, start_utc, end_utc, recording, recording_name,"
    " onset_sample, offset_sample, rate_hz"
)
CALLS = """
    WITH ends AS (
        SELECT site, device, recording, recording_name, 1.0 * offset_sample / rate_hz AS end_s FROM event
        WHERE model_sha256 = :model
        UNION ALL SELECT site, device, recording, recording_name, 1.0 * (first_sample + samples) / rate_hz FROM effort
        WHERE model_sha256 = :model AND state != :off
    ), lengths AS (
        SELECT site, device, recording, min(recording_name) AS name, max(end_s) AS length_s FROM ends
        GROUP BY site, device, recording
    ), begins AS (
        SELECT site, device, recording, name, total(length_s) OVER (
            ORDER BY site, device, name, recording ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS begin_s FROM lengths
    )
    SELECT event.*, begin_s FROM event JOIN begins USING (site, device, recording) WHERE model_sha256 = :model
    ORDER BY site, device, name, recording, onset_sample, id
"""
"""Each event of a model with the length of all recordings before its own, in the order of their paths."""

RECORDINGS = """
    WITH pieces AS (
        SELECT site, device, recording, recording_name, start_utc, clock_source, rate_hz, channel,
            1.0 * offset_sample / rate_hz AS end_s
        FROM event WHERE model_sha256 = :model
        UNION ALL SELECT site, device, recording, recording_name, start_utc, clock_source, rate_hz, NULL,
            1.0 * (first_sample + samples) / rate_hz
        FROM effort WHERE model_sha256 = :model AND state != :off
    )
    SELECT site, device, recording, min(recording_name) AS recording_name, min(pieces.start_utc) AS start_utc,
        max(pieces.rate_hz) AS rate_hz, max(end_s) AS length_s,
        coalesce(max(channels), max(channel) + 1, 1) AS channels,
        max(pieces.clock_source = :unknown) AS unknown, min(pieces.clock_source) AS clock_source
    FROM pieces LEFT JOIN recordings ON recordings.id = recording AND recordings.model_sha256 = :model
    GROUP BY site, device, recording ORDER BY site, device, recording_name, recording
"""
"""Each recording of a model, in the order of CALLS."""

_NO_VERDICT = dict.fromkeys(
    ("verdict", "new_label", "new_name", "reviewer", "reviewed_utc", "corrected_by", "clock_shift_s", "corrected_utc")
)

EFFORT = "site, device, state, start_utc, samples, rate_hz"


def to_bout(
    id_: str,
    site: str,
    device: str,
    label: str,
    scientific_name: str,
    common_name: str,
    score: float,
    start: str,
    end: str,
    *of_recording: object,
) -> Bout:
    """Return the columns of BOUT as a bout."""
    times = datetime.fromisoformat(start), datetime.fromisoformat(end)
    names = label, scientific_name, common_name
    return Bout(UUID(id_), Owner(site, device), *names, score, *times, *of_recording)  # type: ignore[arg-type]


def typed_row(row: dict[str, object]) -> RowValues:
    """Return a row of a query for the writers of formats: with datetimes, the path, and without a verdict."""
    values = row | _NO_VERDICT
    for name in row.keys() & {"start_utc", "end_utc"}:
        values[name] = datetime.fromisoformat(str(row[name]))
    for name in row.keys() & {"is_reliable", "unknown"}:
        values[name] = bool(row[name])
    values["path"] = inner_path(str(row["recording_name"]))
    return values
