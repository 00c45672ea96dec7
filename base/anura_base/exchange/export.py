"""Exports all events or all effort in the format of another program, in parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_base.exchange.formats import tables
from anura_base.exchange.formats.audacity import audacity
from anura_base.exchange.formats.camtrap import camtrap_dp
from anura_base.exchange.formats.parquet import parquet
from anura_base.exchange.rows import ExportContext, FilePart


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """An export format that another program reads."""

    suffix: str
    """Suffix of the file name."""
    media_type: str
    parts: Callable[[Connection, ExportContext], Iterator[FilePart]]


_CSV, _TSV, _ZIP = "text/csv; charset=utf-8", "text/tab-separated-values; charset=utf-8", "application/zip"
_PARQUET = "application/vnd.apache.parquet"

EXPORTS: Mapping[str, ExportFormat] = {
    "birdnet": ExportFormat("csv", _CSV, partial(tables.write_table, tables.BIRDNET)),
    "effort": ExportFormat("csv", _CSV, partial(tables.write_table, tables.EFFORT)),
    "raven": ExportFormat("txt", _TSV, partial(tables.write_table, tables.RAVEN)),
    "darwin-core": ExportFormat("csv", _CSV, partial(tables.write_table, tables.DARWIN_CORE)),
    "audacity": ExportFormat("zip", _ZIP, audacity),
    "camtrap-dp": ExportFormat("zip", _ZIP, camtrap_dp),
    "parquet": ExportFormat("parquet", _PARQUET, partial(parquet, events)),
    "parquet-effort": ExportFormat("parquet", _PARQUET, partial(parquet, effort)),
}


def export(engine: Engine, name: str, configured_sites: Mapping[str, Site]) -> Iterator[FilePart]:
    """Yield the parts of a file in one of EXPORTS. All rows are from one snapshot of the database.

    Raises ConfigError, before the first part, if the format needs a position or a package that is missing.
    """
    with engine.connect() as connection:
        context = ExportContext(all_sites(connection, configured_sites))
        yield from EXPORTS[name].parts(connection, context)
