"""Writes what the database holds in the forms of other programs, piece by piece, to a file or to whoever asks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine

from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events
from anura_base.exchange import formats
from anura_base.exchange.audacity import audacity
from anura_base.exchange.camtrap import camtrap_dp
from anura_base.exchange.parquet import parquet
from anura_base.exchange.rows import Context, Piece


@dataclass(frozen=True, slots=True)
class Export:
    """A form that other programs read."""

    suffix: str
    """Of the file's name."""
    media_type: str
    pieces: Callable[[Connection, Context], Iterator[Piece]]


_CSV, _TSV, _ZIP = "text/csv; charset=utf-8", "text/tab-separated-values; charset=utf-8", "application/zip"
_PARQUET = "application/vnd.apache.parquet"

EXPORTS: Mapping[str, Export] = {
    "birdnet": Export("csv", _CSV, partial(formats.table, formats.BIRDNET)),
    "effort": Export("csv", _CSV, partial(formats.table, formats.EFFORT)),
    "raven": Export("txt", _TSV, partial(formats.table, formats.RAVEN)),
    "darwin-core": Export("csv", _CSV, partial(formats.table, formats.DARWIN_CORE)),
    "audacity": Export("zip", _ZIP, audacity),
    "camtrap-dp": Export("zip", _ZIP, camtrap_dp),
    "parquet": Export("parquet", _PARQUET, partial(parquet, events)),
    "parquet-effort": Export("parquet", _PARQUET, partial(parquet, effort)),
}


def export(engine: Engine, name: str, known: Mapping[str, Site]) -> Iterator[Piece]:
    """Yield the pieces of all rows in one of EXPORTS, as they were at one moment.

    Raises ConfigError, before the first piece, when something that the form needs is not there.
    """
    with engine.connect() as connection:
        context = Context(all_sites(connection, known))
        yield from EXPORTS[name].pieces(connection, context)
