"""Parquet, for pandas, R's arrow and DuckDB: the columns of the table, with their types, and the night of each row."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Connection, Double, Integer, Table, Uuid

from anura_base.db.schema import UtcDateTime
from anura_base.exchange.byte_sink import Outlet
from anura_base.exchange.rows import Context, Piece, Record, records
from anura_edge.errors import ConfigError

GROUP_ROWS = 50_000
"""In a row group: what is in memory at once."""


def parquet(table: Table, connection: Connection, context: Context) -> Iterator[Piece]:
    """Yield a Parquet file of a table.

    Raises ConfigError when pyarrow is not installed.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet as writer
    except ModuleNotFoundError as error:
        raise ConfigError("Parquet needs pyarrow: pip install 'anura-edge[parquet]'") from error
    types = {column.name: _type(arrow, column.type) for column in table.columns} | {
        "night": arrow.date32(),
        "tz": arrow.string(),
    }
    schema, out = arrow.schema(list(types.items())), Outlet()
    rows = records(connection, table)
    with writer.ParquetWriter(out, schema) as file:
        while group := [_row(record, context) for record in islice(rows, GROUP_ROWS)]:
            file.write_table(arrow.Table.from_pylist(group, schema))
            yield Piece(out.take(), len(group))
    yield Piece(out.take(), 0)


def _type(arrow: Any, kind: object) -> Any:  # noqa: ANN401  (pyarrow has no types)
    if isinstance(kind, UtcDateTime):
        return arrow.timestamp("us", tz="UTC")
    if isinstance(kind, Uuid):
        return arrow.string()
    if isinstance(kind, Double):
        return arrow.float64()
    return arrow.int64() if isinstance(kind, Integer | BigInteger) else arrow.string()


def _row(record: Record, context: Context) -> dict[str, Any]:
    plain = {name: str(value) if isinstance(value, UUID) else value for name, value in record.items()}
    return {**plain, "night": context.night(record), "tz": context.site(record["site"]).zone}
