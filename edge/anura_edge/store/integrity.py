"""Searches a journal for damage when it is opened, for a limited time. Each function raises an error that says it.

SQLite finds damaged pages. It does not find a flipped bit inside a value: a queued number without its row, or a row
whose checksum is wrong.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from time import monotonic

from anura_edge.store.rows import ROW_TYPES, DamagedRowError, row_checksum, summed_columns
from anura_edge.store.schema import STEPS

log = logging.getLogger(__name__)

STATES = ("outbox", "settled", "dead_letter")
"""Each row has an entry in exactly one of these tables."""

MIGRATION_FUNCTIONS = ("default_analysis", "owner_site", "owner_device")
"""Functions of SQL that the steps of the migration call."""

OUR_TABLES = {"recordings", "dead_letter", *STATES}

_CHECK_STEPS = 10_000
"""SQLite's virtual machine calls the progress handler after so many steps: every few milliseconds."""


@contextmanager
def time_limit(db: sqlite3.Connection, deadline_s: float) -> Iterator[None]:
    """End the queries inside at a monotonic time, silently."""
    db.set_progress_handler(lambda: monotonic() > deadline_s, _CHECK_STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        log.info("the journal is large: only a part of it was checked")
    finally:
        db.set_progress_handler(None, 0)


def check_pages(db: sqlite3.Connection) -> None:
    """Raise DamagedRowError if SQLite finds a damaged page."""
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedRowError(verdict)


def check_tables(db: sqlite3.Connection) -> None:
    """Raise DamagedRowError if the tables do not have the columns of this version."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        register_functions(fresh, dict.fromkeys(MIGRATION_FUNCTIONS, str))
        for statement in chain.from_iterable(STEPS):
            fresh.execute(statement)
        if _columns(db) != _columns(fresh):
            raise DamagedRowError("its tables have other columns")


def _columns(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    query = """
        SELECT tables.name, columns.name, columns.type FROM sqlite_schema AS tables
        JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' AND tables.name != 'sqlite_stat1'
    """
    return set(db.execute(query))


def check_rows(db: sqlite3.Connection) -> None:
    """Raise DamagedRowError if rows and their states do not fit together, or a row is not what was stored."""
    for table in STATES:
        _refuse_any(db, f"SELECT id FROM {table} WHERE kind NOT IN {(*ROW_TYPES,)}", "has an unknown kind")
        for kind in ROW_TYPES:
            of_kind = f"kind = '{kind}' AND id NOT IN (SELECT id FROM {kind})"
            _refuse_any(db, f"SELECT id FROM {table} WHERE {of_kind}", "is missing")
    for kind in ROW_TYPES:
        states = " AND ".join(f"id NOT IN (SELECT id FROM {table} WHERE kind = '{kind}')" for table in STATES)
        _refuse_any(db, f"SELECT id FROM {kind} WHERE {states}", "is neither queued nor delivered")
        columns = summed_columns(db, kind)
        _refuse_any(db, f"SELECT id FROM {kind} WHERE checksum != row_checksum({columns})", "has a wrong checksum")


def _refuse_any(db: sqlite3.Connection, query: str, fault: str) -> None:
    if found := db.execute(f"{query} LIMIT 1").fetchone():
        raise DamagedRowError(f"the row {found[0]!r} {fault}")


def is_foreign(db: sqlite3.Connection) -> bool:
    """Return whether a file is a database of another program: it has tables, and none of a journal's."""
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return bool(names) and not names & OUR_TABLES


def register_functions(db: sqlite3.Connection, functions: Mapping[str, Callable[..., str | int]]) -> None:
    """Register functions for the statements of a migration."""
    db.create_function("row_checksum", -1, row_checksum, deterministic=True)
    for name, function in functions.items():
        db.create_function(name, -1, function, deterministic=True)
