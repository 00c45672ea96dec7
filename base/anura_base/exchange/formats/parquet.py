"""Parquet for pandas, arrow in R, and DuckDB: all columns of the table with their types, verdict, night and clock.

The night of a row is null if its clock is unknown. Its `start_utc` is then the recorder's own time.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Connection, Double, Integer, Table, Uuid

from anura_base.analysis.rows import select_rows
from anura_base.db.schema import UtcDateTime
from anura_base.exchange.rows import ExportContext, read_rows
from anura_edge.errors import ConfigError
from anura_edge.results.byte_sink import ByteSink
from anura_edge.results.formats.parts import FilePart, RowValues
from anura_edge.results.formats.row_texts import clock_note, known_night

GROUP_ROWS = 20_000
"""Rows of a row group, which is in memory as a whole."""


def parquet(table: Table, connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    """Yield a Parquet file of a table.

    Raises ConfigError if pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet as writer
    except ModuleNotFoundError as error:
        raise ConfigError("Parquet needs pyarrow; install it: pip install 'anura-edge[parquet]'") from error
    selected = select_rows(table, confirmed=context.confirmed).selected_columns
    types = {column.name: _type(arrow, column.type) for column in selected} | {
        "night": arrow.date32(),
        "tz": arrow.string(),
        "clock_note": arrow.string(),
    }
    schema, sink = arrow.schema(list(types.items())), ByteSink()
    rows = read_rows(connection, table, context)
    with writer.ParquetWriter(sink, schema) as file:
        while group := [_row(row, context) for row in islice(rows, GROUP_ROWS)]:
            file.write_table(arrow.Table.from_pylist(group, schema))
            yield FilePart(sink.take(), len(group))
    yield FilePart(sink.take(), 0)


def _type(arrow: Any, kind: object) -> Any:  # noqa: ANN401  (pyarrow has no types)
    if isinstance(kind, UtcDateTime):
        return arrow.timestamp("us", tz="UTC")
    if isinstance(kind, Uuid):
        return arrow.string()
    if isinstance(kind, Double):
        return arrow.float64()
    if isinstance(kind, Boolean):
        return arrow.bool_()
    return arrow.int64() if isinstance(kind, Integer | BigInteger) else arrow.string()


def _row(row: RowValues, context: ExportContext) -> dict[str, Any]:
    values = {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}
    zone = context.site(row["site"]).zone
    return {**values, "night": known_night(row, context), "tz": zone, "clock_note": clock_note(row)}
