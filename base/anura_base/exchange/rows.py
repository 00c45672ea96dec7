"""Rows of the database in the order that an export wants, however many: they are never in memory together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, select

from anura_base.analysis.effort import analysed_hours_by_night
from anura_base.config.settings import Site
from anura_edge.events import night_of_local_time

CHUNK_ROWS = 5_000

Cell = str | int | float
Record = Mapping[str, Any]
"""A row of the table `events` or `effort`, by column."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Piece(NamedTuple):
    """A piece of a file."""

    data: bytes
    rows: int
    """Rows of the database that are in it."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is said besides a row."""

    sites: Mapping[str, Site]
    analysed_h: Mapping[tuple[str, str, date], float] = field(default_factory=dict)
    """Hours listened to, by site, device and night."""

    def site(self, name: str) -> Site:
        """Return where a site is; one that nobody knows is in UTC."""
        return self.sites.get(name, Site())

    def local(self, record: Record) -> datetime:
        """Return when a row begins by its site's clock."""
        start: datetime = record["start_utc"]
        return start.astimezone(ZoneInfo(self.site(record["site"]).zone))

    def night(self, record: Record) -> date:
        """Return the date of the night in which a row begins."""
        return night_of_local_time(self.local(record))


def records(connection: Connection, table: Table, *order: str) -> Iterator[Record]:
    """Yield all rows, in the order of arrival unless another one is wanted."""
    query = select(table).order_by(*(table.c[name] for name in order), table.c.arrival)
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query)
    for chunk in result.mappings().partitions():
        yield from (dict(row) for row in chunk)


def analysed_h(connection: Connection, context: Context) -> dict[tuple[str, str, date], float]:
    """Return the hours analysed, by site, device and night."""
    hours = analysed_hours_by_night(connection, context.sites)
    return {(*device, night): h for device, nights in hours.items() for night, h in nights.items()}


def taxon(name: str) -> str:
    """Return a name that is one: of a group of species, which a model cannot tell apart, the genus."""
    return name.split()[0] if "/" in name and name.split() else name


def harmless(cell: Cell) -> Cell:
    """Keep a spreadsheet from running what a device wrote, and a line a line."""
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def zulu(moment: datetime, timespec: str = "milliseconds") -> str:
    """Write a moment in UTC."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
