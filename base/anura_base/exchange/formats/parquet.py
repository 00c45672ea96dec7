"""Parquet for pandas, arrow in R, and DuckDB: all columns of the table with their types, and the night of each row."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Connection, Double, Integer, Table, Uuid

from anura_base.db.schema import UtcDateTime
from anura_base.exchange.byte_sink import ByteSink
from anura_base.exchange.rows import ExportContext, FilePart, RowValues, read_rows
from anura_edge.errors import ConfigError

GROUP_ROWS = 50_000
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
    types = {column.name: _type(arrow, column.type) for column in table.columns} | {
        "night": arrow.date32(),
        "tz": arrow.string(),
    }
    schema, sink = arrow.schema(list(types.items())), ByteSink()
    rows = read_rows(connection, table)
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
    return {**values, "night": context.night(row), "tz": context.site(row["site"]).zone}
