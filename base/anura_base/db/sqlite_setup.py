"""Set up the connections to a SQLite file."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

MAX_LOG_BYTES = 64_000_000
"""Size of the write-ahead log at which `shorten_log` empties it."""

# WAL with FULL survives a power cut, for one fdatasync per commit. WAL with NORMAL can lose acknowledged rows.
# After a long transaction that reads, the log is large; `journal_size_limit` makes the next checkpoint shorten it.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", f"journal_size_limit={MAX_LOG_BYTES}")

_BEGIN = "sqlite_begin"
"""Execution option of a connection: the statement that begins its transactions."""

_next_attempt_bytes: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()
"""Size of the log at which `shorten_log` tries again after a transaction that read for longer than `busy_timeout`."""


def configure(engine: Engine, path: Path) -> None:
    """Set the pragmas of each new connection, and drop connections whose file was removed or replaced.

    SQLite would continue to write to the deleted file: rows would be acknowledged and then lost when the process ends.
    Nor may a new connection create an empty file in its place, so only the first one may create it.
    """
    opened = False

    @event.listens_for(engine, "do_connect")
    def refuse_to_create(*_: object) -> None:
        if opened and not path.exists():
            raise sqlite3.OperationalError(f"{path} was removed")

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:  # noqa: ANN401  (SQLAlchemy types no DBAPI connection)
        nonlocal opened
        # sqlite3 would begin a transaction only at the first write, so an earlier savepoint would commit by itself.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        opened = True
        record.info["file"] = device_and_inode(path)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    @event.listens_for(engine, "checkout")
    def check_file(_connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401
        if record.info["file"] != device_and_inode(path):
            raise DisconnectionError(f"{path} was removed or replaced")


def for_writes(connection: Connection) -> Connection:
    """Let the next transaction take SQLite's write lock when it begins. Another database ignores this."""
    return connection.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def shorten_log(engine: Engine) -> None:
    """Empty the write-ahead log if it is large. The caller holds the lock of the writers.

    SQLite writes to the start of its log again only at a moment without readers. Under load there is always one, and
    the log would grow for ever. TRUNCATE waits for those that read the log; later ones read the database.
    """
    log = Path(f"{engine.url.database}-wal")
    # The transaction before is committed: an error here must not look like its own. The next transaction tells it.
    with suppress(OSError, SQLAlchemyError, sqlite3.Error):
        if log.stat().st_size < _next_attempt_bytes.get(engine, MAX_LOG_BYTES):
            return
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _next_attempt_bytes[engine] = log.stat().st_size + MAX_LOG_BYTES


def device_and_inode(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file, None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
