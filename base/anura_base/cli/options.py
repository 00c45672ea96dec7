"""Options that several commands share, and the database that they select."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

# Its tables must be known to each command that handles all tables, such as `backup`.
from anura_base.alerts import tables as _alert_tables  # noqa: F401
from anura_base.config.settings import load
from anura_base.db.engine import open_database, open_existing_database, root_cause, write_transaction
from anura_base.updates import tables as _update_tables  # noqa: F401
from anura_edge.errors import JournalError

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
    """Open the base station's existing database. A base station may use it at the same time.

    Raises ConfigError if it does not exist yet, or is another program's.
    """
    with _disposing(open_existing_database(load(config_file, database, None, None).database_url())) as engine:
        yield engine


@contextmanager
def open_new_engine(config_file: Path | None, database: str | None) -> Iterator[Engine]:
    """Open the base station's database, or create it."""
    with _disposing(open_database(load(config_file, database, None, None).database_url())) as engine:
        yield engine


@contextmanager
def _disposing(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    except SQLAlchemyError as error:
        where, reason = engine.url.render_as_string(hide_password=True), root_cause(error)
        raise JournalError(f"cannot use {where}: {reason}; check the database and the free space") from error
    finally:
        engine.dispose()


@contextmanager
def open_transaction(config_file: Path | None, database: str | None) -> Iterator[Connection]:
    """Open a transaction on the base station's existing database."""
    with open_engine(config_file, database) as engine, write_transaction(engine) as connection:
        yield connection


@contextmanager
def open_new_transaction(config_file: Path | None, database: str | None) -> Iterator[Connection]:
    """Open a transaction on the base station's database, or create it and tell it.

    The first user and the first device are added before the first run.
    """
    file = Path(make_url(load(config_file, database, None, None).database_url()).database or "")
    is_new = not file.exists()
    with open_new_engine(config_file, database) as engine, write_transaction(engine) as connection:
        yield connection
    if is_new and file.exists():
        typer.echo(f"made the new database {file.absolute()}", err=True)
