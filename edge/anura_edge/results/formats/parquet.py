"""Parquet for pandas, arrow in R, and DuckDB: all columns with their types, verdict, night and clock."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from anura_edge.errors import ConfigError
from anura_edge.results.byte_sink import ByteSink
from anura_edge.results.formats.columns import CALL_COLUMNS, EFFORT_COLUMNS, ColumnType, typed_values
from anura_edge.results.formats.parts import FilePart, FormatContext, RowValues
from anura_edge.results.formats.source import ResultSource

GROUP_ROWS = 20_000
"""Rows of a row group, which is in memory as a whole."""


def parquet_calls(source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    """Yield a Parquet file of the calls.

    Raises ConfigError if pyarrow is not installed.
    """
    return _parquet(source.events(), CALL_COLUMNS, context)


def parquet_effort(source: ResultSource, context: FormatContext) -> Iterator[FilePart]:
    """Yield a Parquet file of the effort.

    Raises ConfigError if pyarrow is not installed.
    """
    return _parquet(source.effort(), EFFORT_COLUMNS, context)


def check_pyarrow() -> None:
    """Raise ConfigError if pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401 (only whether it is there)
    except ModuleNotFoundError as error:
        raise ConfigError("Parquet needs pyarrow; install it: pip install 'anura-edge[parquet]'") from error


def _parquet(
    rows: Iterator[RowValues], columns: Mapping[str, ColumnType], context: FormatContext
) -> Iterator[FilePart]:
    check_pyarrow()
    import pyarrow as arrow
    from pyarrow import parquet as writer

    types: Mapping[ColumnType, Any] = {
        "text": arrow.string(),
        "int": arrow.int64(),
        "float": arrow.float64(),
        "bool": arrow.bool_(),
        "time": arrow.timestamp("us", tz="UTC"),
        "date": arrow.date32(),
    }
    schema, sink = arrow.schema([(name, types[kind]) for name, kind in columns.items()]), ByteSink()
    with writer.ParquetWriter(sink, schema) as file:
        while group := [typed_values(row, columns, context) for row in islice(rows, GROUP_ROWS)]:
            file.write_table(arrow.Table.from_pylist(group, schema))
            yield FilePart(sink.take(), len(group))
    yield FilePart(sink.take(), 0)
