"""Exports all events or all effort in the format of another program, in parts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.exchange.call_filter import ALL_CALLS, CallFilter, names_of
from anura_base.exchange.formats.training_set import training_set
from anura_base.exchange.rows import ExportContext
from anura_base.exchange.source import DatabaseSource
from anura_edge.errors import ConfigError
from anura_edge.results.formats.parts import FilePart
from anura_edge.results.formats.registry import FORMATS


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """An export format that another program reads."""

    suffix: str
    """Suffix of the file name."""
    media_type: str
    parts: Callable[[Connection, ExportContext], Iterator[FilePart]]
    of_calls: bool = True
    """Whether its rows are calls, which have verdicts."""


def _shared(name: str, connection: Connection, context: ExportContext) -> Iterator[FilePart]:
    return FORMATS[name].write(DatabaseSource(connection, context), context)


EXPORTS: Mapping[str, ExportFormat] = {
    **{
        name: ExportFormat(form.suffix, form.media_type, partial(_shared, name), of_calls=form.of_calls)
        for name, form in FORMATS.items()
    },
    "training": ExportFormat("zip", "application/zip", training_set),
}
"""The formats that the device writes, too, and those of the base station."""


def export(
    engine: Engine, name: str, configured_sites: Mapping[str, Site], calls: CallFilter = ALL_CALLS, recordings: str = ""
) -> Iterator[FilePart]:
    """Yield the parts of a file in one of EXPORTS. All rows are from one snapshot of the database.

    `calls` selects the calls. `recordings` is the folder of the recordings, which Raven's table names.

    Raises ConfigError, before the first part, if the format needs a position or a package that is missing, or has no
    calls to select.
    """
    if (filters := names_of(calls)) and not EXPORTS[name].of_calls:
        raise ConfigError(f"{name} has no calls, so they cannot be selected by {', '.join(filters)}; leave this out")
    with engine.connect() as connection:
        context = ExportContext(all_sites(connection, configured_sites), recordings, calls=calls)
        yield from EXPORTS[name].parts(connection, context)
