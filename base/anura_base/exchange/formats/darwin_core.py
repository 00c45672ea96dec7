"""Darwin Core occurrences for GBIF and similar databases (https://dwc.tdwg.org/terms): one call per line."""

from collections.abc import Iterator, Mapping
from datetime import date

from sqlalchemy import Connection

from anura_base.analysis.effort import analysed_hours_by_night
from anura_base.db.schema import effort, events, unknown_clock
from anura_base.exchange.rows import ExportContext, read_rows
from anura_edge.events import Verdict
from anura_edge.results.formats.delimited import write_lines
from anura_edge.results.formats.parts import FilePart, RowValues
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
from anura_edge.results.spreadsheet import Cell

_COLUMNS = [
    "occurrenceID", "eventID", "basisOfRecord", "occurrenceStatus", "scientificName", "taxonRank", "vernacularName",
    "verbatimIdentification", "eventDate", "verbatimEventDate", "eventRemarks", "decimalLatitude", "decimalLongitude",
    "geodeticDatum", "locationID", "locality", "habitat", "samplingProtocol", "samplingEffort", "recordedBy",
    "identifiedBy", "dateIdentified", "identificationVerificationStatus", "previousIdentifications",
    "occurrenceRemarks",
]  # fmt: skip

NightHours = Mapping[tuple[str, str], Mapping[date, float]]
"""Hours analysed, by site and device, then by night."""


def darwin_core(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a CSV table of occurrences. A rejected call is an absence."""
    hours = analysed_hours_by_night(connection, context.sites, ~unknown_clock(effort))
    rows = read_rows(connection, events, context)
    return write_lines(_COLUMNS, (_occurrence(row, context, hours) for row in rows))


def _occurrence(row: RowValues, context: ExportContext, hours: NightHours) -> list[Cell]:
    site, night = context.site(row["site"]), known_night(row, context)
    latitude, longitude, datum = _position(site.latitude_deg, site.longitude_deg)
    name, verdict = counted_name(row), row["verdict"]
    effort_h = 0.0 if night is None else hours.get((row["site"], row["device"]), {}).get(night, 0.0)
    span = f"{known_utc(row, 'start_utc')}/{known_utc(row, 'end_utc')}" if time_is_known(row) else ""
    return [
        f"urn:uuid:{row['id']}", f"{row['site']}:{row['device']}:{night or 'unknown-clock'}", "MachineObservation",
        "absent" if verdict == Verdict.REJECTED else "present",
        taxon_name(name), ("genus" if "/" in name else "species") if name else "",
        "" if verdict == Verdict.RELABELLED else row["common_name"], name or counted_label(row),
        span, recorder_time(row), clock_note(row), latitude, longitude, datum,
        row["site"], site.title or row["site"], site.habitat or "", "passive acoustic monitoring",
        "" if night is None else f"{effort_h:.2f} recorder-hours", row["device"], row["reviewer"] or model(row),
        reviewed_utc(row), verdict or "unverified",
        f"{row['scientific_name'] or row['label']} ({model(row)})" if verdict else "",
        f"score {row['p_peak']:.3f}",
    ]  # fmt: skip


def _position(latitude: float | None, longitude: float | None) -> tuple[Cell, Cell, str]:
    if latitude is None or longitude is None:
        return "", "", ""
    return latitude, longitude, "WGS84"
