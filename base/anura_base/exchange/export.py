"""Exports all events or all effort in the format of another program, in parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_base.exchange.formats.audacity import audacity
from anura_base.exchange.formats.camtrap import camtrap_dp
from anura_base.exchange.formats.darwin_core import darwin_core
from anura_base.exchange.formats.parquet import parquet
from anura_base.exchange.formats.raven import raven
from anura_base.exchange.formats.tables import birdnet, effort_table
from anura_base.exchange.rows import ExportContext, FilePart
from anura_edge.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """An export format that another program reads."""

    suffix: str
    """Suffix of the file name."""
    media_type: str
    parts: Callable[[Connection, ExportContext], Iterator[FilePart]]
    of_calls: bool = True
    """Whether its rows are calls, which have verdicts."""


_CSV, _TSV, _ZIP = "text/csv; charset=utf-8", "text/tab-separated-values; charset=utf-8", "application/zip"
_PARQUET = "application/vnd.apache.parquet"

EXPORTS: Mapping[str, ExportFormat] = {
    "birdnet": ExportFormat("csv", _CSV, birdnet),
    "effort": ExportFormat("csv", _CSV, effort_table, of_calls=False),
    "raven": ExportFormat("txt", _TSV, raven),
    "darwin-core": ExportFormat("csv", _CSV, darwin_core),
    "audacity": ExportFormat("zip", _ZIP, audacity),
    "camtrap-dp": ExportFormat("zip", _ZIP, camtrap_dp),
    "parquet": ExportFormat("parquet", _PARQUET, partial(parquet, events)),
    "parquet-effort": ExportFormat("parquet", _PARQUET, partial(parquet, effort), of_calls=False),
}


def export(
    engine: Engine, name: str, configured_sites: Mapping[str, Site], *, confirmed: bool = False, recordings: str = ""
) -> Iterator[FilePart]:
    """Yield the parts of a file in one of EXPORTS. All rows are from one snapshot of the database.

    `confirmed` selects the calls whose species a person confirmed or named. `recordings` is the folder of the
    recordings, which Raven's table names.

    Raises ConfigError, before the first part, if the format needs a position or a package that is missing, or has no
    calls to select.
    """
    if confirmed and not EXPORTS[name].of_calls:
        raise ConfigError(f"{name} has no calls that can be confirmed; leave out the filter `confirmed`")
    with engine.connect() as connection:
        context = ExportContext(all_sites(connection, configured_sites), confirmed, recordings)
        yield from EXPORTS[name].parts(connection, context)
