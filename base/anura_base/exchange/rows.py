"""Rows of the database for exports. They are read in chunks, so any number of rows fits into memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select

from anura_base.analysis.effort import analysed_hours_by_night
from anura_base.analysis.nights import night_date
from anura_base.config.settings import Site

CHUNK_ROWS = 5_000

RowValues = Mapping[str, Any]
"""A row of the table `events` or `effort`, by column."""


class FilePart(NamedTuple):
    """Some bytes of an exported file, and the number of rows in them."""

    data: bytes
    rows: int
    """Number of database rows in this part."""


@dataclass(frozen=True, slots=True)
class ExportContext:
    """Data that an export needs in addition to its rows."""

    sites: Mapping[str, Site]
    analysed_h: Mapping[tuple[str, str, date], float] = field(default_factory=dict)
    """Hours analysed, by site, device and night."""

    def site(self, name: str) -> Site:
        """Return a site. An unknown site has no position and is in UTC."""
        return self.sites.get(name, Site())

    def night(self, row: RowValues) -> date:
        """Return the date of the night in which a row begins."""
        return night_date(row["start_utc"], self.site(row["site"]))


def read_rows(connection: Connection, table: Table, *order: str) -> Iterator[RowValues]:
    """Yield all rows, sorted by the columns of `order` and then by arrival."""
    query = select(table).order_by(*(table.c[name] for name in order), table.c.arrival)
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query)
    for chunk in result.mappings().partitions():
        yield from (dict(row) for row in chunk)


def analysed_hours(connection: Connection, context: ExportContext) -> dict[tuple[str, str, date], float]:
    """Return the hours analysed, by site, device and night."""
    hours = analysed_hours_by_night(connection, context.sites)
    return {(*device, night): h for device, nights in hours.items() for night, h in nights.items()}


def taxon_name(name: str) -> str:
    """Return a valid taxon name. For a group of species, which has a slash in its name, this is the genus."""
    return name.split()[0] if "/" in name and name.split() else name


def iso_utc(moment: datetime, timespec: str = "milliseconds") -> str:
    """Return a moment in UTC in ISO 8601 with the suffix Z."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
