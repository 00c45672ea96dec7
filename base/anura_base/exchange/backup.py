"""A backup is a base station's database in one SQLite file, wherever it comes from and wherever it goes.

So the same two commands move a base station from SQLite to PostgreSQL or back, and a backup can be opened by anything
that reads SQLite, by a base station too.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, func, insert, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from anura_base.db.engine import open_database, root_cause
from anura_base.db.schema import metadata
from anura_edge.errors import ConfigError, JournalError

CHUNK_ROWS = 1_000
"""So many rows of a table are in memory at once: of audio, 16 MB."""

UNFINISHED = ".part"


def back_up(source: Engine, file: Path) -> int:
    """Write all that a database holds at this moment into a new file, while a base station may go on writing.

    Return the number of rows. Raises ConfigError if the file is there already or cannot be made, JournalError if the
    database cannot be read.
    """
    if file.exists():
        raise ConfigError(f"{file} is there already; choose another name")
    unfinished = file.with_name(file.name + UNFINISHED)
    try:
        _forget(unfinished)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it may hold secrets
        rows = _write(source, unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        os.link(unfinished, file)  # unlike a rename it takes no place that somebody else has taken meanwhile
    except OSError as error:
        raise ConfigError(
            f"cannot write {file}: {error.strerror}; choose a folder with room that can be written"
        ) from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason = root_cause(error) if isinstance(error, SQLAlchemyError) else error
        raise JournalError(f"cannot back up: {reason}; check the database and the room beside {file}") from error
    finally:
        _forget(unfinished)
    return rows


def restore(file: Path, target: Engine) -> int:
    """Put what a backup holds into an empty database, all of it or nothing; return the number of rows.

    Raises ConfigError if the file is no backup or the database is not empty, JournalError if either fails.
    """
    with closing(_Backup(file)) as backup:
        try:
            with backup.engine.connect() as source, target.begin() as connection:
                for table in metadata.sorted_tables:
                    if connection.execute(select(1).select_from(table).limit(1)).first():
                        raise ConfigError(f"the database is not empty: there are {table.name}; restore into a new one")
                return _copy(source, connection)
        except SQLAlchemyError as error:
            raise JournalError(f"cannot restore {file}: {root_cause(error)}; nothing was changed") from error


class _Backup:
    """A backup that is opened to be read."""

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise ConfigError(f"{file} is no backup: there is no such file")
        url = URL.create("sqlite", database=f"file:{file.absolute()}", query={"mode": "ro", "uri": "true"})
        self.engine = create_engine(url, poolclass=NullPool)
        try:
            with self.engine.connect() as connection:
                damage = connection.execute(text("PRAGMA quick_check(1)")).scalar()
            ours = inspect(self.engine).has_table("events")
        except SQLAlchemyError as error:
            damage, ours = root_cause(error), True
        if damage != "ok" or not ours:
            self.close()
            reason = damage if damage != "ok" else "it has no table of events"
            raise ConfigError(f"{file} is no backup: {reason}; `anura-base backup FILE` writes one")

    def close(self) -> None:
        """Close it."""
        self.engine.dispose()


def _write(source: Engine, file: Path) -> int:
    target = open_database(f"sqlite:///{file.absolute()}")
    try:
        with _snapshot(source) as here, target.begin() as there:
            rows = _copy(here, there)
    finally:
        target.dispose()
    with closing(sqlite3.connect(file)) as connection:  # the only one, so that all of it goes into one file
        connection.execute("PRAGMA journal_mode=DELETE")
    return rows


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Read all tables as they are at one moment."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's transactions are snapshots anyway
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def _copy(source: Connection, target: Connection) -> int:
    """Copy every table, check that all of it came, and let numbers go on after the highest."""
    total = 0
    there = inspect(source)
    for table in metadata.sorted_tables:
        if not there.has_table(table.name):  # a backup of an older version
            continue
        names = {column["name"] for column in there.get_columns(table.name)}
        columns = [column for column in table.columns if column.name in names]
        result = source.execution_options(yield_per=CHUNK_ROWS).execute(select(*columns))
        for chunk in result.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in chunk])
        count = _count(source, table)
        if _count(target, table) != count:
            raise JournalError(f"of {count} rows of {table.name} only {_count(target, table)} arrived; try again")
        _go_on(target, table)
        total += count
    return total


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _go_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that came with numbers; SQLite does so by itself."""
    if connection.dialect.name != "postgresql" or "arrival" not in table.c:
        return
    highest: Any = select(func.max(table.c.arrival)).scalar_subquery()
    connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "arrival"), highest)))


def _forget(unfinished: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
