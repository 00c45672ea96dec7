"""Darwin Core occurrences for GBIF and similar databases (https://dwc.tdwg.org/terms): one call per line."""

from collections.abc import Iterator

from anura_edge.events import Verdict
from anura_edge.results.formats.delimited import write_lines
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.row_texts import (
    clock_note,
    counted_label,
    counted_name,
    known_night,
    known_utc,
    model,
    recorder_time,
    reviewed_utc,
    taxon_name,
    time_is_known,
)
from anura_edge.results.formats.source import NightHours, ResultSource
from anura_edge.results.spreadsheet import Cell

_COLUMNS = [
    "occurrenceID", "eventID", "basisOfRecord", "occurrenceStatus", "scientificName", "taxonRank", "vernacularName",
    "verbatimIdentification", "eventDate", "verbatimEventDate", "eventRemarks", "decimalLatitude", "decimalLongitude",
    "geodeticDatum", "locationID", "locality", "habitat", "samplingProtocol", "samplingEffort", "recordedBy",
    "identifiedBy", "dateIdentified", "identificationVerificationStatus", "previousIdentifications",
    "occurrenceRemarks",
]  # fmt: skip


def darwin_core(source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    """Yield a CSV table of occurrences. A rejected call is an absence."""
    hours = source.analysed_hours()
    return write_lines(_COLUMNS, (_occurrence(call, context, hours) for call in source.events()))


def _occurrence(row: RowValues, context: FormatContext, hours: NightHours) -> list[Cell]:
    site, night = row["site"], known_night(row, context)
    position: list[Cell] = [*context.position_deg(site), "WGS84"] if context.has_position(site) else ["", "", ""]
    name, verdict = counted_name(row), row["verdict"]
    unknown = "unknown-night" if time_is_known(row) else "unknown-clock"
    effort_h = 0.0 if night is None else hours.get((site, row["device"]), {}).get(night, 0.0)
    span = f"{known_utc(row, 'start_utc')}/{known_utc(row, 'end_utc')}" if time_is_known(row) else ""
    return [
        f"urn:uuid:{row['id']}", f"{site}:{row['device']}:{night or unknown}", "MachineObservation",
        "absent" if verdict == Verdict.REJECTED else "present",
        taxon_name(name), ("genus" if "/" in name else "species") if name else "",
        "" if verdict == Verdict.RELABELLED else row["common_name"], name or counted_label(row),
        span, recorder_time(row), clock_note(row), *position,
        site, context.title(site), context.habitat(site), "passive acoustic monitoring",
        "" if night is None else f"{effort_h:.2f} recorder-hours", row["device"], row["reviewer"] or model(row),
        reviewed_utc(row), verdict or "unverified",
        f"{row['scientific_name'] or row['label']} ({model(row)})" if verdict else "",
        f"score {row['p_peak']:.3f}",
    ]  # fmt: skip
