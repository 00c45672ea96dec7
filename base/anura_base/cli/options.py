"""Options that several commands share, and the database that they select."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from sqlalchemy import Connection, Engine

from anura_base.config.settings import load
from anura_base.db.engine import open_database, write_transaction
from anura_edge.errors import ConfigError

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings file of the base station (YAML).")]
Database = Annotated[
    str | None,
    typer.Option(
        help="URL of the database, sqlite:////PATH or postgresql+psycopg://USER@HOST/NAME. It replaces the settings."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
WebAddress = typer.Option(metavar="HOST:PORT", help="Address of the web pages. Port 0 selects a free port.")


@contextmanager
def open_engine(config_file: Path | None, database: str | None) -> Iterator[Engine]:
    """Open the base station's database. A base station may use it at the same time."""
    engine = open_database(load(config_file, database, None, None).database_url())
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def open_transaction(config_file: Path | None, database: str | None) -> Iterator[Connection]:
    """Open a transaction on the base station's database."""
    with open_engine(config_file, database) as engine, write_transaction(engine) as connection:
        yield connection


@contextmanager
def new_file(path: Path | None) -> Iterator[BinaryIO]:
    """Create a file, or open the standard output if there is no path.

    Raises ConfigError if the file exists or cannot be written.
    """
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with path.open("xb") as file:
            yield file
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another name") from error
