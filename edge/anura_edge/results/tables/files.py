"""Writes tables from a journal: one CSV text, or a folder of CSV files."""

from collections.abc import Callable, Mapping
from pathlib import Path

from anura_edge.nights import Place
from anura_edge.results.journal_reader import JournalReader
from anura_edge.results.new_file import create_file, file_stem, has_bytes, make_folder, refuse_existing
from anura_edge.results.rows import RowFilter
from anura_edge.results.spreadsheet import csv_text
from anura_edge.results.tables.bins import BinAt, clock_bin, sunset_bin
from anura_edge.results.tables.hourly import SpeciesHour, hourly_table
from anura_edge.results.tables.nightly import SpeciesNight, nightly_table
from anura_edge.results.tables.occupancy import occupancy_tables
from anura_edge.results.tables.text import matrix_csv, rows_csv

MakeTable = Callable[[JournalReader, Mapping[str, Place], RowFilter], str]


def nightly_csv(reader: JournalReader, places: Mapping[str, Place], row_filter: RowFilter) -> str:
    """Return the table of nights."""
    rows = nightly_table(reader.bouts(), reader.effort(), places, row_filter)
    return rows_csv(SpeciesNight, rows, places, {"calling_index": "calling_index_proxy"})


def hourly_csv(reader: JournalReader, places: Mapping[str, Place], row_filter: RowFilter) -> str:
    """Return the table of hours of the local clock."""
    return _hours(reader, places, row_filter, clock_bin, "local_hour")


def sunset_csv(reader: JournalReader, places: Mapping[str, Place], row_filter: RowFilter) -> str:
    """Return the table of hours since sunset."""
    return _hours(reader, places, row_filter, sunset_bin, "hours_since_sunset")


def write_occupancy(reader: JournalReader, places: Mapping[str, Place], row_filter: RowFilter, folder: Path) -> int:
    """Write `detections_LABEL.csv` for each species, `effort_h.csv` and `sites.csv` into a folder. Return the files.

    A file with the right content is left as it is, so an interrupted run is continued.

    Raises ConfigError if a file exists with another content, or cannot be written.
    """
    tables = occupancy_tables(reader.bouts(), reader.effort(), places, row_filter)
    matrices = {f"detections_{file_stem(name)}.csv": rows for name, rows in tables.detections.items()}
    texts = {file: matrix_csv(tables.sites, tables.nights, rows) for file, rows in matrices.items()}
    texts["effort_h.csv"] = matrix_csv(tables.sites, tables.nights, tables.effort_h)
    texts["sites.csv"] = _sites_csv(places)
    make_folder(folder)
    missing = {folder / name: text.encode() for name, text in texts.items()}
    missing = {file: data for file, data in missing.items() if not has_bytes(file, data)}
    for file in missing:
        refuse_existing(file)
    for file, data in missing.items():
        with create_file(file) as output:
            output.write(data)
    return len(texts)


TABLES: Mapping[str, MakeTable] = {"nightly": nightly_csv, "hourly": hourly_csv, "sunset": sunset_csv}
"""Formats of one table."""


def _hours(
    reader: JournalReader, places: Mapping[str, Place], row_filter: RowFilter, bin_at: BinAt, column: str
) -> str:
    rows = hourly_table(reader.bouts(), reader.effort(), places, row_filter, bin_at)
    return rows_csv(SpeciesHour, rows, places, {"hour": column})


def _sites_csv(places: Mapping[str, Place]) -> str:
    rows = (
        [site, *("NA" if each is None else each for each in (place.latitude_deg, place.longitude_deg)), place.zone]
        for site, place in sorted(places.items())
    )
    return csv_text(["site", "latitude", "longitude", "zone"], rows)
