"""Tables that other programs read, with exactly the column names that they expect.

birdnet      a call a line, BirdNET's columns first, so that birdnetTools (R) and spreadsheets read it
effort       a stretch of listening a line: the absence of a frog is data only where this says `analysed`
raven        a selection table for Raven; each line names its recording and the place in it
darwin-core  an occurrence a line, for GBIF and its like (https://dwc.tdwg.org/terms)
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table

from anura_base.db.schema import effort, events
from anura_base.exchange.rows import (
    CHUNK_ROWS,
    Cell,
    Context,
    Piece,
    Record,
    analysed_h,
    harmless,
    records,
    taxon,
    zulu,
)

MIN_HZ, MAX_HZ = 0, 12_000
"""Raven wants a box; a call has no edges in frequency here."""

Lines = Iterator[list[Cell]]
Writer = Callable[[Iterable[Record], Context], Lines]


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of table."""

    table: Table
    """What it is made of: events or effort."""
    delimiter: str
    lines: Writer
    """Yields the header, then the lines."""
    needs_effort: bool = False


def _birdnet(records: Iterable[Record], context: Context) -> Lines:
    yield ["Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File",
           "start_utc", "end_utc", "tz", "night", "site_id", "device", "label", "p_mean", "level_dbfs", "clock_source",
           "model_id", "model_version", "model_sha256", "id"]  # fmt: skip
    for record in records:
        yield [
            record["onset_sample"] / record["rate_hz"], record["offset_sample"] / record["rate_hz"],
            record["scientific_name"], record["label"], record["p_peak"], record["recording_name"],
            zulu(record["start_utc"]), zulu(record["end_utc"]), context.site(record["site"]).zone,
            context.night(record).isoformat(), record["site"], record["device"], record["label"], record["p_mean"],
            record["level_dbfs"], record["clock_source"], record["model_id"], record["model_version"],
            record["model_sha256"], str(record["id"]),
        ]  # fmt: skip


def _effort(records: Iterable[Record], context: Context) -> Lines:
    yield ["site_id", "device", "night", "start_utc", "tz", "state", "seconds", "recording", "File", "clock_source",
           "model_id", "model_version", "model_sha256", "id"]  # fmt: skip
    for record in records:
        yield [
            record["site"], record["device"], context.night(record).isoformat(), zulu(record["start_utc"]),
            context.site(record["site"]).zone, record["state"], record["samples"] / record["rate_hz"],
            record["recording"], record["recording_name"], record["clock_source"], record["model_id"],
            record["model_version"], record["model_sha256"], str(record["id"]),
        ]  # fmt: skip


def _raven(records: Iterable[Record], _context: Context) -> Lines:
    # Raven places a selection by Begin Path and File Offset, or by the times of the whole table: these are the same
    # where each line's time is counted in its own file.
    yield ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
           "Begin Path", "File Offset (s)", "Species Code", "Scientific Name", "Confidence",
           "Survey Time (UTC)"]  # fmt: skip
    for number, record in enumerate(records, 1):
        begin, end = record["onset_sample"] / record["rate_hz"], record["offset_sample"] / record["rate_hz"]
        yield [
            number, "Spectrogram 1", 1, begin, end, MIN_HZ, min(MAX_HZ, record["rate_hz"] // 2),
            record["recording_name"], begin, record["label"], record["scientific_name"], record["p_peak"],
            zulu(record["start_utc"]),
        ]  # fmt: skip


def _darwin_core(records: Iterable[Record], context: Context) -> Lines:
    yield ["occurrenceID", "eventID", "basisOfRecord", "occurrenceStatus", "scientificName", "verbatimIdentification",
           "eventDate", "decimalLatitude", "decimalLongitude", "geodeticDatum", "locationID", "locality", "habitat",
           "samplingProtocol", "samplingEffort", "recordedBy", "identifiedBy", "identificationVerificationStatus",
           "occurrenceRemarks"]  # fmt: skip
    for record in records:
        site, night = context.site(record["site"]), context.night(record)
        hours = context.analysed_h.get((record["site"], record["device"], night), 0.0)
        name = record["scientific_name"]
        yield [
            f"urn:uuid:{record['id']}", f"{record['site']}:{record['device']}:{night}", "MachineObservation", "present",
            taxon(name), name, f"{zulu(record['start_utc'])}/{zulu(record['end_utc'])}",
            "" if site.latitude_deg is None else site.latitude_deg,
            "" if site.longitude_deg is None else site.longitude_deg, "WGS84" if site.latitude_deg is not None else "",
            record["site"], site.title or record["site"], site.habitat or "", "passive acoustic monitoring",
            f"{hours:.2f} recorder-hours", record["device"], f"{record['model_id']} {record['model_version']}",
            "unverified", f"probability {record['p_peak']:.3f}",
        ]  # fmt: skip


BIRDNET = Format(events, ",", _birdnet)
EFFORT = Format(effort, ",", _effort)
RAVEN = Format(events, "\t", _raven)
DARWIN_CORE = Format(events, ",", _darwin_core, needs_effort=True)


def table(form: Format, connection: Connection, context: Context) -> Iterator[Piece]:
    """Yield a table, some lines at a time."""
    if form.needs_effort:
        context = Context(context.sites, analysed_h(connection, context))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=form.delimiter, lineterminator="\n")
    rows = -1  # the header is no row
    for line in form.lines(records(connection, form.table), context):
        writer.writerow([harmless(cell) for cell in line])
        rows += 1
        if rows == CHUNK_ROWS:
            yield Piece(_take(text), rows)
            rows = 0
    yield Piece(_take(text), rows)


def _take(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
