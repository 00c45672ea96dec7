"""Exports all events or all effort in the format of another program, in parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_base.exchange.formats.camtrap import camtrap_dp
from anura_base.exchange.formats.darwin_core import darwin_core
from anura_base.exchange.formats.parquet import parquet
from anura_base.exchange.rows import ExportContext, read_calls, read_rows
from anura_edge.errors import ConfigError
from anura_edge.results.formats.parts import FilePart
from anura_edge.results.formats.registry import CALL_FORMATS
from anura_edge.results.formats.tables import effort_table


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """An export format that another program reads."""

    suffix: str
    """Suffix of the file name."""
    media_type: str
    parts: Callable[[Connection, ExportContext], Iterator[FilePart]]
    of_calls: bool = True
    """Whether its rows are calls, which have verdicts."""


_CSV, _ZIP, _PARQUET = "text/csv; charset=utf-8", "application/zip", "application/vnd.apache.parquet"


def _calls(name: str, connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    return CALL_FORMATS[name].write(read_calls(connection, context), context)


def _effort(connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    return effort_table(read_rows(connection, effort, context), context)


EXPORTS: Mapping[str, ExportFormat] = {
    **{name: ExportFormat(form.suffix, form.media_type, partial(_calls, name)) for name, form in CALL_FORMATS.items()},
    "effort": ExportFormat("csv", _CSV, _effort, of_calls=False),
    "darwin-core": ExportFormat("csv", _CSV, darwin_core),
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
        context = ExportContext(all_sites(connection, configured_sites), recordings, confirmed)
        yield from EXPORTS[name].parts(connection, context)
