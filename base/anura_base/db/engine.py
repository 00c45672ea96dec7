"""Opens the database. Its write transactions survive a power cut after the commit."""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.schema import CreateColumn, CreateIndex

from anura_base.db import sqlite_setup
from anura_base.db.fifo_lock import FifoLock
from anura_base.db.schema import SCHEMA_VERSION, analyses, effort, events, identity, metadata
from anura_edge.errors import AnuraError, ConfigError, JournalError
from anura_edge.events import default_analysis_id

_Insert = Callable[[Table], sqlite.Insert | postgresql.Insert]
_INSERT: dict[str, _Insert] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

SERVICE_DATABASE = Path("/var/lib/anura-base/anura-base.db")
"""The database of the service in deploy/base."""

_FIRST_COLUMNS = {"arrival", "id", "site", "device", "recording"}
"""Of the tables of events and effort in every version."""

_SCHEMA_LOCK = 0x616E757261
"""Number of the advisory lock in PostgreSQL that a program holds while it creates tables: "anura" in ASCII."""

_MANY_ROWS = 50
"""From so many rows on it is worth preparing a statement for all of them."""

_write_locks: WeakKeyDictionary[Engine, FifoLock] = WeakKeyDictionary()
"""For each SQLite database, the order of the threads that want to write."""


def open_database(url: str) -> Engine:
    """Connect, and create missing tables, columns and indexes.

    A database of an older version gets the tables, columns and indexes that it does not have. A column that is added
    later may be NULL or has a default on the server, so that an older program with the same SCHEMA_VERSION can still
    write.

    Raises ConfigError when the URL names no supported database, or a file of another program; JournalError when it
    cannot be opened, or belongs to a newer program. In these cases nothing is written.
    """
    engine = _engine(url)
    try:
        _refuse_other_program(engine)
        refuse_newer_version(engine)
        with write_transaction(engine) as connection:
            _wait_for_other_programs(connection)
            metadata.create_all(connection)
            _add_missing_columns_and_indexes(connection)
            _add_identity(connection)
            _add_analyses(connection)
    except SQLAlchemyError as error:
        engine.dispose()
        where = engine.url.render_as_string(hide_password=True)
        reason = root_cause(error)
        raise JournalError(f"cannot open {where}: {reason}; check the path, its owner and free space") from error
    except AnuraError:
        engine.dispose()
        raise
    return engine


def open_existing_database(url: str) -> Engine:
    """Connect to a database that a base station has made. Nothing is created where there is none, or an empty file.

    Raises ConfigError and JournalError as `open_database` does, and ConfigError when there is no database.
    """
    engine = _engine(url)
    file = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and not (file.is_file() and _tables(file)):
        service = f", the service's is {SERVICE_DATABASE}" if SERVICE_DATABASE.exists() else ""
        raise ConfigError(
            f"there is no database {file}{service}; name the base station's with --config FILE or --database URL"
        )
    return open_database(url)


def _refuse_other_program(engine: Engine) -> None:
    """Raise ConfigError for a SQLite file that has other tables than ours: a journal of a device is one."""
    path = Path(engine.url.database or "")
    if engine.dialect.name != "sqlite" or not path.is_file() or not (tables := _tables(path)):
        return
    if not all(tables.get(table.name, set()) >= _FIRST_COLUMNS for table in (events, effort)):
        shown = ", ".join(sorted(tables)[:5])
        raise ConfigError(f"{path} is not a base station's database: it has the tables {shown}; name another file")


def _tables(path: Path) -> dict[str, set[str]]:
    """Return the columns of each table in a SQLite file, which is only read: nothing appears in it or beside it.

    Raises JournalError if it cannot be read.
    """
    # With a write-ahead log, its readers need a file beside it, which exists then.
    mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
    query = "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"
    tables: dict[str, set[str]] = {}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as file:
            for table, column in file.execute(query):
                tables.setdefault(table, set()).add(column)
    except sqlite3.Error as error:
        raise JournalError(f"cannot open {path}: {error}; check the path, its owner and free space") from error
    return tables


def refuse_newer_version(engine: Engine) -> None:
    """Raise JournalError for a database that a program with a higher SCHEMA_VERSION has opened."""
    tables = inspect(engine)
    if not tables.has_table(identity.name):
        return
    if identity.c.schema_version.name not in {column["name"] for column in tables.get_columns(identity.name)}:
        return
    with engine.connect() as connection:
        version = connection.scalar(select(identity.c.schema_version))
    if version is not None and version > SCHEMA_VERSION:
        where = engine.url.render_as_string(hide_password=True)
        raise JournalError(f"{where} was written by a newer anura-base (version {version}); upgrade this one")


def _wait_for_other_programs(connection: Connection) -> None:
    """Take a lock in PostgreSQL, so that one program at a time creates tables. SQLite allows only one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))


def _add_missing_columns_and_indexes(connection: Connection) -> None:
    columns = inspect(connection).get_multi_columns()
    indexes = inspect(connection).get_multi_indexes()
    for table in metadata.sorted_tables:
        present = {column["name"] for column in columns[None, table.name]}
        present_indexes = {index["name"] for index in indexes[None, table.name]}
        for column in table.columns:
            if column.name not in present:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
        for index in table.indexes:
            if index.name not in present_indexes:  # IF NOT EXISTS would wait for the writers of the table
                connection.execute(CreateIndex(index))


def _add_identity(connection: Connection) -> None:
    if connection.scalar(select(identity.c.base)) is None:
        connection.execute(insert(identity).values(base=uuid4()))
    without_secret = update(identity).where(identity.c.ack_secret.is_(None))
    connection.execute(without_secret.values(ack_secret=secrets.token_hex(32)))
    other_version = identity.c.schema_version.is_distinct_from(SCHEMA_VERSION)
    connection.execute(update(identity).where(other_version).values(schema_version=SCHEMA_VERSION))


def _add_analyses(connection: Connection) -> None:
    """Record the analyses of rows that an early version has stored. It stored no ids of analyses."""
    if connection.execute(select(analyses.c.number).limit(1)).first():
        return
    owners: dict[tuple[Any, ...], dict[str, Any]] = {}
    for table in (events, effort):
        lacks_analysis = table.c.analysis.is_(None)
        columns = table.c.recording, table.c.model_sha256
        for recording, model in connection.execute(select(*columns).where(lacks_analysis).distinct()).all():
            of_recording = [*key_matches(table, {"recording": recording, "model_sha256": model}), lacks_analysis]
            analysis = default_analysis_id(recording, model)
            connection.execute(update(table).where(*of_recording).values(analysis=analysis))
        names = ("recording", "model_sha256", "analysis", "site", "device", "journal")
        for row in connection.execute(select(*(table.c[name] for name in names)).distinct()).mappings():
            owners.setdefault((row["recording"], row["model_sha256"], row["analysis"]), {**row, "is_complete": True})
    insert_new(connection, analyses, [*owners.values()])


def base_id(connection: Connection) -> UUID:
    """Return the identity of the database."""
    return UUID(str(connection.scalars(select(identity.c.base)).one()))


def ack_secret(connection: Connection) -> bytes:
    """Return the secret from which the keys of the devices are derived."""
    return bytes.fromhex(str(connection.scalars(select(identity.c.ack_secret)).one()))


def check_writable(engine: Engine) -> None:
    """Raise SQLAlchemyError if the database refuses writes. Nothing is written."""
    with write_transaction(engine):
        pass


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that may write, and commit it at the end. All writes of the base station use this.

    SQLite has one writer at a time and no queue: a waiting writer polls, and under load it may never find the lock
    free. So the threads of a process queue here. SQLite also refuses, immediately, a transaction that has read and then
    writes after another one has written (SQLITE_BUSY_SNAPSHOT), so the transaction begins as one that writes.

    Raises SQLAlchemyError.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    lock: AbstractContextManager[None] = nullcontext()
    if is_sqlite:
        lock = _write_locks.setdefault(engine, FifoLock()).hold()
    with lock:
        with engine.connect() as connection, sqlite_setup.for_writes(connection).begin():
            yield connection
        if is_sqlite:
            sqlite_setup.shorten_log(engine)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are new. Rows that exist stay unchanged, so the first one wins."""
    if not rows:
        return
    query = _INSERT[connection.dialect.name](table).on_conflict_do_nothing()
    has_defaults = any(column.default is not None for column in table.columns)
    if connection.dialect.name == "sqlite" and len(rows) >= _MANY_ROWS and not has_defaults:
        _insert_columns(connection, query, table, rows)
    else:
        connection.execute(query, rows)


def _insert_columns(
    connection: Connection, query: sqlite.Insert | postgresql.Insert, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Execute an insert. SQLAlchemy converts values row by row, which takes longer than SQLite needs to store them.

    So they are converted here, column by column, by SQLAlchemy's own converters. All rows have the same columns.
    """
    dialect = connection.dialect
    compiled = query.compile(dialect=dialect, column_keys=[*rows[0]])
    columns: list[Iterable[Any]] = []
    for name in compiled.positiontup or ():
        values = map(itemgetter(name), rows)
        convert = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        columns.append(map(convert, values) if convert else values)
    connection.exec_driver_sql(str(compiled), [*zip(*columns, strict=True)])


def insert_or_update(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where the primary key exists, update the other columns. All rows must have the same columns."""
    if not rows:
        return
    query = _INSERT[connection.dialect.name](table)
    key = table.primary_key.columns
    new = {name: query.excluded[name] for name in rows[0] if name not in key}
    query = query.on_conflict_do_update(index_elements=[*key], set_=new) if new else query.on_conflict_do_nothing()
    connection.execute(query, rows)


def key_matches(table: Table, key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that select the rows with these column values."""
    return [table.c[name] == value for name, value in key.items()]


def is_outage(error: Exception) -> bool:
    """Return whether an error concerns the whole database or machine. Another error is the fault of a row.

    A row that fails is set aside. During an outage nothing is: the same work is tried again.
    """
    return isinstance(error, DBAPIError | MemoryError) and not isinstance(error, DataError | IntegrityError)


def check_url(url: str) -> None:
    """Check the URL of a database without a connection. Raises ConfigError."""
    _make_engine(url).dispose()


def _make_engine(url: str) -> Engine:
    example = "give a URL as in sqlite:////var/lib/anura/anura-base.db"
    try:
        address = make_url(url)
    except ArgumentError as error:  # it is not shown, because it may contain a password
        raise ConfigError(f"database: this is no URL; {example}") from error
    if (kind := address.get_backend_name()) not in _INSERT:
        raise ConfigError(f"database: {kind} is not supported; use sqlite or postgresql")
    if kind == "sqlite" and address.database in {None, "", ":memory:"}:
        raise ConfigError("database: SQLite in memory loses acknowledged rows at the end; name a file")
    try:
        return create_engine(address)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"database: {error}; {example}") from error


def _engine(url: str) -> Engine:
    engine = _make_engine(url)
    if engine.dialect.name == "sqlite":
        sqlite_setup.configure(engine, Path(engine.url.database or ""))
    else:
        event.listen(engine, "connect", _use_utc)
    return engine


def _use_utc(connection: Any, _record: object) -> None:  # noqa: ANN401  (SQLAlchemy types no DBAPI connection)
    # In the server's own time zone a time at an end of the calendar may have a year that Python cannot represent.
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def root_cause(error: SQLAlchemyError) -> object:
    """Return the first message of the database itself, without SQLAlchemy's statement and link."""
    # When the disk is full, SQLite rolls the whole transaction back; then the release of the savepoint fails, too.
    link = error.__context__
    while link:
        error = link if isinstance(link, SQLAlchemyError) else error
        link = link.__context__
    return getattr(error, "orig", None) or error
