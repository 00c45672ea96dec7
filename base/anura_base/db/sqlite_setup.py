"""Set up the connections to a SQLite file."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

# WAL with FULL survives a power cut, for one fdatasync per commit. WAL with NORMAL can lose acknowledged rows.
# After a long transaction that reads, the log is large; `journal_size_limit` makes the next checkpoint shorten it.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "journal_size_limit=64000000")


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
        connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "checkout")
    def check_file(_connection: object, record: Any, _proxy: object) -> None:  # noqa: ANN401
        if record.info["file"] != device_and_inode(path):
            raise DisconnectionError(f"{path} was removed or replaced")


def device_and_inode(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file, None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
