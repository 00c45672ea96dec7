"""Opens the database, so that what is committed stays committed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, delete, event, false, inspect, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from anura_base.db.fifo_lock import FifoLock
from anura_base.db.schema import dead_letters, metadata
from anura_edge.errors import ConfigError, JournalError

_Insert = Callable[[Table], sqlite.Insert | postgresql.Insert]
_INSERT: dict[str, _Insert] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

# WAL with FULL survives a power cut at one fdatasync per commit; WAL with NORMAL loses what was acknowledged.
_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000")

_turns: WeakKeyDictionary[Engine, FifoLock] = WeakKeyDictionary()
"""Who writes next to a SQLite file of ours."""


def open_database(url: str) -> Engine:
    """Connect, and create the tables, columns and indexes that are not there yet.

    Tables only grow, as the wire does. So no version is kept: what an older version made gets what it lacks, and a
    column that comes later may be NULL or has a default of the server's, so that the older version can still write.

    Raises ConfigError when the URL names no database that fits, JournalError when it cannot be opened.
    """
    engine = _engine(url)
    try:
        metadata.create_all(engine)
        _add_columns(engine)
    except SQLAlchemyError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise JournalError(
            f"cannot open {where}: {root_cause(error)}; check the path, its owner and free space"
        ) from error
    return engine


def _add_columns(engine: Engine) -> None:
    inspector = inspect(engine)
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            there = {column["name"] for column in inspector.get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    definition = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))
            for index in table.indexes:
                index.create(connection, checkfirst=True)


def check_writable(engine: Engine) -> None:
    """Raise SQLAlchemyError unless the database takes writes. It writes nothing."""
    with write_transaction(engine):
        pass


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction that waits for its turn to write, commit it at the end. Whatever writes goes through this.

    SQLite has one writer at a time and no queue: who waits asks now and then, and under a flood never at the right
    moment. So the threads of a process take turns. It also refuses at once one that has read and wants to write after
    another has written (SQLITE_BUSY_SNAPSHOT), so a transaction begins with a write, of nothing.

    Raises SQLAlchemyError.
    """
    turn: AbstractContextManager[None] = nullcontext()
    if engine.dialect.name == "sqlite":
        turn = _turns.setdefault(engine, FifoLock()).hold()
    with turn, engine.begin() as connection:
        connection.execute(delete(dead_letters).where(false()))
        yield connection


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet; the others stay as they are, so the first one wins."""
    if rows:
        insert = _INSERT[connection.dialect.name]
        connection.execute(insert(table).on_conflict_do_nothing(), rows)


def insert_or_update(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; where one's primary key is there already, write its other values over those. All have equal keys."""
    if not rows:
        return
    query = _INSERT[connection.dialect.name](table)
    key = table.primary_key.columns
    new = {name: query.excluded[name] for name in rows[0] if name not in key}
    query = query.on_conflict_do_update(index_elements=[*key], set_=new) if new else query.on_conflict_do_nothing()
    connection.execute(query, rows)


def key_matches(table: Table, key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that pick the rows with these values."""
    return [table.c[name] == value for name, value in key.items()]


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(make_url(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"database: {error}; give a URL as in sqlite:////var/lib/anura/anura-base.db") from error
    if engine.dialect.name not in _INSERT:
        raise ConfigError(f"database: {engine.dialect.name} is not supported; use sqlite or postgresql")
    if engine.dialect.name == "sqlite":
        if engine.url.database in {None, "", ":memory:"}:
            raise ConfigError("database: SQLite in memory forgets what was acknowledged; name a file")
        _guard(engine, Path(engine.url.database))
    return engine


def _guard(engine: Engine, path: Path) -> None:
    """Set up each connection to a SQLite file, and drop those whose file was removed or replaced.

    SQLite would go on writing to the file that has no name any more: acknowledged, and gone when the process ends.
    """

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:  # noqa: ANN401  (SQLAlchemy types no DBAPI connection)
        # sqlite3 would begin a transaction only at the first write, so a savepoint before it would commit by itself.
        connection.isolation_level = None
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "checkout")
    def look(_connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401
        if record.info["file"] != _identity(path):
            raise DisconnectionError(f"{path} was removed or replaced")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def root_cause(error: SQLAlchemyError) -> object:
    """Return what the database said first, without SQLAlchemy's statement and link."""
    # A full SQLite takes back the whole transaction; then the savepoint's own end fails, too.
    link = error.__context__
    while link:
        error = link if isinstance(link, SQLAlchemyError) else error
        link = link.__context__
    return getattr(error, "orig", None) or error
