"""Tables as CSV text that R, pandas and spreadsheet programs read. A missing value is `NA`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from anura_edge.nights import Place
from anura_edge.results.spreadsheet import Cell, csv_text
from anura_edge.results.tables.hourly import SpeciesHour
from anura_edge.results.tables.nightly import SpeciesNight

NA = "NA"

_UTC_SUFFIX = "_utc"


def rows_csv(
    row_type: type[SpeciesNight | SpeciesHour],
    rows: Iterable[SpeciesNight | SpeciesHour],
    places: Mapping[str, Place],
    renamed: Mapping[str, str] | None = None,
) -> str:
    """Return rows as CSV. A time has two columns: UTC, and the local time of the site with its offset.

    `renamed` gives fields another column name.
    """
    names = [each.name for each in fields(row_type)]
    columns = [column for name in names for column in _columns((renamed or {}).get(name, name))]
    return csv_text(columns, (_cells(row, names, places[row.site]) for row in rows))


def matrix_csv(sites: Sequence[str], nights: Sequence[date], matrix: Sequence[Sequence[float | None]]) -> str:
    """Return a matrix as CSV: a row for each site, a column for each night."""
    rows = ([site, *map(_cell, values)] for site, values in zip(sites, matrix, strict=True))
    return csv_text(["site", *map(str, nights)], rows)


def _columns(name: str) -> list[str]:
    return [name, name.removesuffix(_UTC_SUFFIX) + "_local"] if name.endswith(_UTC_SUFFIX) else [name]


def _cells(row: SpeciesNight | SpeciesHour, names: Sequence[str], place: Place) -> list[Cell]:
    cells: list[Cell] = []
    for name in names:
        value = getattr(row, name)
        if name.endswith(_UTC_SUFFIX):
            cells += [NA, NA] if value is None else [_time(value, UTC), _time(value, ZoneInfo(place.zone))]
        else:
            cells.append(_cell(value))
    return cells


def _time(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cell(value: str | float | date | None) -> Cell:
    if value is None:
        return NA
    if isinstance(value, float):
        return round(value, 4)
    return str(value) if isinstance(value, date) else value
