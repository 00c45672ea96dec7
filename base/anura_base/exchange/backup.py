"""Backup and restore. A backup is the whole database in one SQLite file, for SQLite and for PostgreSQL.

So the same two commands move a base station between SQLite and PostgreSQL. Any program that reads SQLite can open a
backup, also a base station.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, delete, func, insert, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from anura_base.analysis.rollup_tables import night_zones
from anura_base.analysis.rollup_triggers import update_reviewed
from anura_base.db.engine import open_database, refuse_newer_version, root_cause
from anura_base.db.schema import age_marks, identity, metadata, running_time, upgrades
from anura_edge.errors import ConfigError, JournalError
from anura_edge.results.new_file import partial_file

CHUNK_ROWS = 1_000
"""Rows of a table that are in memory at the same time. Of clip parts these are 16 MB."""

MADE_AT_START = (identity, running_time, age_marks, upgrades, night_zones)
"""A new database has rows in these tables as soon as a base station has started. The rows of the backup replace them: a
device knows its base station by its identity, and rows have their age by the running time."""


def back_up(source: Engine, file: Path) -> int:
    """Write a snapshot of a database into a new file. A base station may write to the database meanwhile.

    Return the number of rows. Raises ConfigError if the file exists or cannot be written, JournalError if the database
    cannot be read.
    """
    with partial_file(file) as partial:
        try:
            return _write(source, partial)
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = root_cause(error) if isinstance(error, SQLAlchemyError) else error
            raise JournalError(f"cannot back up: {reason}; check the database and the free space at {file}") from error


def restore(file: Path, target: Engine) -> int:
    """Copy a backup into an empty database, all of it or nothing. Return the number of rows.

    Raises ConfigError if the file is not a backup or the database is not empty, JournalError if reading or writing
    fails.
    """
    with closing(_BackupFile(file)) as backup:
        try:
            with backup.engine.connect() as source, target.begin() as connection:
                for table in metadata.sorted_tables:
                    if table not in MADE_AT_START and connection.execute(select(1).select_from(table).limit(1)).first():
                        raise ConfigError(f"the database is not empty: it has {table.name}; use a new database")
                rows = _copy(source, connection)
                update_reviewed(connection)
                return rows
        except SQLAlchemyError as error:
            raise JournalError(f"cannot restore {file}: {root_cause(error)}; nothing was changed") from error


class _BackupFile:
    """A backup, opened for reading."""

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise ConfigError(f"{file} is not a backup: the file does not exist; `anura-base backup FILE` writes one")
        url = URL.create("sqlite", database=f"file:{file.absolute()}", query={"mode": "ro", "uri": "true"})
        self.engine = create_engine(url, poolclass=NullPool)
        try:
            with self.engine.connect() as connection:
                damage = connection.execute(text("PRAGMA quick_check(1)")).scalar()
            has_events = inspect(self.engine).has_table("events")
        except SQLAlchemyError as error:
            damage, has_events = root_cause(error), True
        if damage != "ok" or not has_events:
            self.close()
            reason = damage if damage != "ok" else "it has no table `events`"
            raise ConfigError(f"{file} is not a backup: {reason}; `anura-base backup FILE` writes one")
        try:
            refuse_newer_version(self.engine)
        except JournalError:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        self.engine.dispose()


def _write(source: Engine, file: Path) -> int:
    target = open_database(f"sqlite:///{file.absolute()}")
    try:
        with _snapshot(source) as reader, target.begin() as writer:
            rows = _copy(reader, writer)
    finally:
        target.dispose()
    with closing(sqlite3.connect(file)) as connection:  # the only connection, so the WAL moves into the file
        connection.execute("PRAGMA journal_mode=DELETE")
    return rows


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that reads all tables as of one moment."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # in SQLite every transaction is a snapshot
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def _copy(source: Connection, target: Connection) -> int:
    """Copy every table, check the number of rows, and continue the numbering after the highest number."""
    total = 0
    inspector = inspect(source)
    for table in metadata.sorted_tables:
        if not inspector.has_table(table.name):  # the backup is from an older version
            if table is night_zones:
                target.execute(delete(night_zones))  # it has no sums of nights, and they are made again
            continue
        names = {column["name"] for column in inspector.get_columns(table.name)}
        columns = [column for column in table.columns if column.name in names]
        target.execute(delete(table))  # triggers fill `stale_days` while the tables before it are copied
        result = source.execution_options(yield_per=CHUNK_ROWS).execute(select(*columns))
        for chunk in result.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in chunk])
        count = _count(source, table)
        if _count(target, table) != count:
            raise JournalError(f"only {_count(target, table)} of {count} rows of {table.name} were copied; try again")
        _continue_numbers(target, table)
        total += count
    return total


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _continue_numbers(connection: Connection, table: Table) -> None:
    """Set the sequence of PostgreSQL after the highest copied number. SQLite does this by itself."""
    number = table.autoincrement_column
    if connection.dialect.name != "postgresql" or number is None:
        return
    highest: Any = select(func.max(number)).scalar_subquery()
    connection.execute(select(func.setval(func.pg_get_serial_sequence(table.name, number.name), highest)))
