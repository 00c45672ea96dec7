"""Triggers that mark the days of a site whose sums are out of date.

They do so whenever a row is added, corrected or removed, and whenever a call is reviewed.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from anura_base.analysis.reviews import name_relabelled
from anura_base.db.engine import root_cause, write_transaction
from anura_edge.errors import JournalError

_DURATION_S = {"events": "0.0", "effort": "{row}.samples * 1.0 / {row}.rate_hz"}
_DAY = {
    "sqlite": "substr({row}.start_utc, 1, 10)",
    "postgresql": "to_char({row}.start_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}

_CHANGES = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}
"""The changes that need a trigger, and the versions of the row whose days are marked."""


def install_triggers(engine: Engine) -> None:
    """Create the triggers, and mark every day of rows that were stored before there were triggers.

    Raises JournalError when the database refuses them.
    """
    try:
        _install(engine)
    except SQLAlchemyError as error:
        reason = root_cause(error)
        raise JournalError(f"cannot prepare the database's sums: {reason}; check its owner and space") from error


def _install(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        existing = _triggers(connection)
        _remove_old_version(connection, existing)
        for table in ("events", "effort"):
            for change, rows in _CHANGES.items():
                marks = " ".join(f"{_mark(engine.dialect.name, table, row)};" for row in rows)
                # Always created again: the existing trigger may be of an older version.
                for statement in _TRIGGER[engine.dialect.name](table, change, marks):
                    connection.execute(text(statement))
            if f"{table}_changed_insert" not in existing:
                connection.execute(text(f"{_mark(engine.dialect.name, table, table)} FROM {table}"))
        mark = f"{_mark(engine.dialect.name, 'events', 'events')} FROM events WHERE events.id = NEW.event_id;"
        for statement in _TRIGGER[engine.dialect.name]("reviews", "insert", mark):
            connection.execute(text(statement))
        if "reviews_changed_insert" not in existing:
            update_reviewed(connection)


def update_reviewed(connection: Connection) -> None:
    """Mark every day with a review, and name the species of relabelled calls.

    Databases and backups of early versions need it: their sums count rejected calls.
    """
    name_relabelled(connection)
    mark = _mark(connection.dialect.name, "events", "events")
    connection.execute(text(f"{mark} FROM events WHERE events.id IN (SELECT event_id FROM reviews)"))


def _remove_old_version(connection: Connection, existing: set[str]) -> None:
    """Remove the sums of an older version, which were made for each device: four times the rows, and never read."""
    for name in sorted(existing & {f"{table}_stale_{change}" for table in ("events", "effort") for change in _CHANGES}):
        on = f" ON {name.partition('_')[0]}" if connection.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP TRIGGER {name}{on}"))
    for name in ("call_slots", "effort_slots"):
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))


def _mark(dialect: str, table: str, row: str) -> str:
    """Return the SQL that marks the day of a row; `row` is NEW, OLD or the table."""
    day, seconds = _DAY[dialect].format(row=row), _DURATION_S[table].format(row=row)
    mark = f"INSERT INTO stale_days (site, day, seconds) SELECT DISTINCT {row}.site, {day}, {seconds}"
    if dialect == "sqlite" and row != table:
        marked = f"SELECT 1 FROM stale_days WHERE site = {row}.site AND day = {day} AND seconds >= {seconds}"
        mark += f" WHERE NOT EXISTS ({marked})"
    return mark


def _sqlite_trigger(table: str, change: str, marks: str) -> list[str]:
    name = f"{table}_changed_{change}"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} AFTER {change.upper()} ON {table} BEGIN {marks} END",
    ]


def _postgresql_trigger(table: str, change: str, marks: str) -> list[str]:
    name = f"{table}_changed_{change}"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {marks} RETURN NULL; END $$",
        f"CREATE OR REPLACE TRIGGER {name} AFTER {change.upper()} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


_TRIGGER: dict[str, Callable[[str, str, str], list[str]]] = {
    "sqlite": _sqlite_trigger,
    "postgresql": _postgresql_trigger,
}


def _triggers(connection: Connection) -> set[str]:
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    return set(connection.scalars(text(query[connection.dialect.name])))
