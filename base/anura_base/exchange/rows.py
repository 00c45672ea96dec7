"""Rows of the database for exports. They are read in chunks, so any number of rows fits into memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table

from anura_base.analysis.rows import select_rows
from anura_base.config.settings import Site
from anura_edge.nights import night_date

CHUNK_ROWS = 5_000

RowValues = Mapping[str, Any]
"""A row of the table `events` or `effort`, by column, with its verdict and the correction of its clock."""


class FilePart(NamedTuple):
    """Some bytes of an exported file, and the number of rows in them."""

    data: bytes
    rows: int
    """Number of database rows in this part."""


@dataclass(frozen=True, slots=True)
class ExportContext:
    """Data that an export needs in addition to its rows."""

    sites: Mapping[str, Site]
    confirmed: bool = False
    """Whether to export only the calls whose species a person confirmed or named."""
    recordings: str = ""
    """Folder with the recordings, for the formats that name their paths. Empty: the folder of the exported file."""
    analysed_h: Mapping[tuple[str, str, date], float] = field(default_factory=dict)
    """Hours analysed, by site, device and night."""

    def site(self, name: str) -> Site:
        """Return a site. An unknown site has no position and is in UTC."""
        return self.sites.get(name, Site())

    def night(self, row: RowValues) -> date:
        """Return the date of the night in which a row begins."""
        return night_date(row["start_utc"], self.site(row["site"]))


def read_rows(connection: Connection, table: Table, context: ExportContext, *order: str) -> Iterator[RowValues]:
    """Yield all rows, sorted by the columns of `order` and then by arrival."""
    query = select_rows(table, confirmed=context.confirmed)
    return stream(connection, query.order_by(*(table.c[name] for name in order), table.c.arrival))


def stream(connection: Connection, query: Select[Any]) -> Iterator[RowValues]:
    """Yield the rows of a query. A part of them is in memory."""
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query)
    for chunk in result.mappings().partitions():
        yield from (dict(row) for row in chunk)
