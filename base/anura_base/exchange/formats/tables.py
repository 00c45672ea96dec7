"""CSV tables with exactly the column names that other programs expect.

birdnet      one call per line; the columns of BirdNET come first, so birdnetTools (R) and spreadsheets can read it
effort       one piece of effort per line; the absence of calls means something only where the state is `analysed`
raven        a selection table for Raven; each line has its recording and the position in it
darwin-core  one occurrence per line, for GBIF and similar databases (https://dwc.tdwg.org/terms)
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table

from anura_base.db.schema import effort, events
from anura_base.exchange.rows import (
    CHUNK_ROWS,
    ExportContext,
    FilePart,
    RowValues,
    analysed_hours,
    iso_utc,
    read_rows,
    taxon_name,
)
from anura_base.exchange.spreadsheet import Cell, escape_formula

MIN_HZ, MAX_HZ = 0, 12_000
"""Raven requires a frequency range. An event has none, so all boxes have the same."""

Lines = Iterator[list[Cell]]
Writer = Callable[[Iterable[RowValues], ExportContext], Lines]


@dataclass(frozen=True, slots=True)
class TableFormat:
    """A text format with one line for each event or piece of effort."""

    table: Table
    """Its rows: events or effort."""
    delimiter: str
    lines: Writer
    """Function that yields the header, then the lines."""
    needs_effort: bool = False


def _birdnet(rows: Iterable[RowValues], context: ExportContext) -> Lines:
    yield ["Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File",
           "start_utc", "end_utc", "tz", "night", "site_id", "device", "label", "p_mean", "level_dbfs", "clock_source",
           "model_id", "model_version", "model_sha256", "id", "is_reliable"]  # fmt: skip
    for row in rows:
        yield [
            row["onset_sample"] / row["rate_hz"], row["offset_sample"] / row["rate_hz"],
            row["scientific_name"], row["label"], row["p_peak"], row["recording_name"],
            iso_utc(row["start_utc"]), iso_utc(row["end_utc"]), context.site(row["site"]).zone,
            context.night(row).isoformat(), row["site"], row["device"], row["label"], row["p_mean"],
            row["level_dbfs"], row["clock_source"], row["model_id"], row["model_version"],
            row["model_sha256"], str(row["id"]), str(row["is_reliable"]).lower(),
        ]  # fmt: skip


def _effort(rows: Iterable[RowValues], context: ExportContext) -> Lines:
    yield ["site_id", "device", "night", "start_utc", "tz", "state", "seconds", "recording", "File", "clock_source",
           "model_id", "model_version", "model_sha256", "id"]  # fmt: skip
    for row in rows:
        yield [
            row["site"], row["device"], context.night(row).isoformat(), iso_utc(row["start_utc"]),
            context.site(row["site"]).zone, row["state"], row["samples"] / row["rate_hz"],
            row["recording"], row["recording_name"], row["clock_source"], row["model_id"],
            row["model_version"], row["model_sha256"], str(row["id"]),
        ]  # fmt: skip


def _raven(rows: Iterable[RowValues], _context: ExportContext) -> Lines:
    # Raven finds a selection by Begin Path and File Offset, or by Begin Time. Both are equal here, because each time
    # is counted from the start of its own file.
    yield ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
           "Begin Path", "File Offset (s)", "Species Code", "Scientific Name", "Confidence",
           "Survey Time (UTC)"]  # fmt: skip
    for number, row in enumerate(rows, 1):
        begin, end = row["onset_sample"] / row["rate_hz"], row["offset_sample"] / row["rate_hz"]
        yield [
            number, "Spectrogram 1", 1, begin, end, MIN_HZ, min(MAX_HZ, row["rate_hz"] // 2),
            row["recording_name"], begin, row["label"], row["scientific_name"], row["p_peak"],
            iso_utc(row["start_utc"]),
        ]  # fmt: skip


def _darwin_core(rows: Iterable[RowValues], context: ExportContext) -> Lines:
    yield ["occurrenceID", "eventID", "basisOfRecord", "occurrenceStatus", "scientificName", "verbatimIdentification",
           "eventDate", "decimalLatitude", "decimalLongitude", "geodeticDatum", "locationID", "locality", "habitat",
           "samplingProtocol", "samplingEffort", "recordedBy", "identifiedBy", "identificationVerificationStatus",
           "occurrenceRemarks"]  # fmt: skip
    for row in rows:
        site, night = context.site(row["site"]), context.night(row)
        hours = context.analysed_h.get((row["site"], row["device"], night), 0.0)
        name = row["scientific_name"]
        yield [
            f"urn:uuid:{row['id']}", f"{row['site']}:{row['device']}:{night}", "MachineObservation", "present",
            taxon_name(name), name, f"{iso_utc(row['start_utc'])}/{iso_utc(row['end_utc'])}",
            "" if site.latitude_deg is None else site.latitude_deg,
            "" if site.longitude_deg is None else site.longitude_deg, "WGS84" if site.latitude_deg is not None else "",
            row["site"], site.title or row["site"], site.habitat or "", "passive acoustic monitoring",
            f"{hours:.2f} recorder-hours", row["device"], f"{row['model_id']} {row['model_version']}",
            "unverified", f"probability {row['p_peak']:.3f}",
        ]  # fmt: skip


BIRDNET = TableFormat(events, ",", _birdnet)
EFFORT = TableFormat(effort, ",", _effort)
RAVEN = TableFormat(events, "\t", _raven)
DARWIN_CORE = TableFormat(events, ",", _darwin_core, needs_effort=True)


def write_table(form: TableFormat, connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield the parts of a table, CHUNK_ROWS lines each."""
    if form.needs_effort:
        context = ExportContext(context.sites, analysed_hours(connection, context))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=form.delimiter, lineterminator="\n")
    rows = -1  # the header does not count
    for line in form.lines(read_rows(connection, form.table), context):
        writer.writerow([escape_formula(cell) for cell in line])
        rows += 1
        if rows == CHUNK_ROWS:
            yield FilePart(_take(text), rows)
            rows = 0
    yield FilePart(_take(text), rows)


def _take(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
