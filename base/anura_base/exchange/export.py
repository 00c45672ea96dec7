"""Writes tables for other programs, however many rows there are: they are never in memory together."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, TextIO

from sqlalchemy import Connection, Engine, Table, select

from anura_base.config import Site
from anura_base.exchange.formats import FORMATS, Cell, Context, Record
from anura_base.sites import sites
from anura_base.tables import effort, metadata
from anura_edge.events import EffortState

CHUNK_ROWS = 5_000

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(engine: Engine, name: str, known: Mapping[str, Site], output: TextIO) -> int:
    """Write all rows in one of FORMATS, in the order of arrival; return how many."""
    form = FORMATS[name]
    with engine.connect() as connection:
        context = Context(sites(connection, known))
        if form.needs_effort:
            context = Context(context.sites, _analysed_h(connection, context))
        writer = csv.writer(output, delimiter=form.delimiter, lineterminator="\n")
        count = -1  # the header is no row
        for line in form.lines(_records(connection, metadata.tables[form.table]), context):
            writer.writerow([_harmless(cell) for cell in line])
            count += 1
    return count


def _records(connection: Connection, table: Table) -> Iterator[Record]:
    query = select(table).order_by(table.c.arrival)
    result = connection.execution_options(yield_per=CHUNK_ROWS).execute(query)
    for chunk in result.mappings().partitions():
        yield from (dict(row) for row in chunk)


def _analysed_h(connection: Connection, context: Context) -> dict[tuple[str, str, date], float]:
    hours: defaultdict[tuple[str, str, date], float] = defaultdict(float)
    heard: set[tuple[Any, ...]] = set()
    for record in _records(connection, effort):
        # An hour that two models heard, one after the other, is one hour of sound.
        sound = record["site"], record["device"], record["recording"], record["first_sample"], record["samples"]
        if record["state"] == EffortState.ANALYSED and sound not in heard:
            heard.add(sound)
            hours[record["site"], record["device"], context.night(record)] += (
                record["samples"] / record["rate_hz"] / 3_600
            )
    return hours


def _harmless(cell: Cell) -> Cell:
    """Keep a spreadsheet from running what a device wrote, and a line a line."""
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r", " ").replace("\n", " ").replace("\t", " ")
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
