"""Calls and listening, summed up by quarters of an hour: what the heatmaps read, so that they need not count millions.

The database itself notes, by triggers, which days of a site have changed: by whatever came, was corrected or was taken
back. `refresh` computes those days again from the rows, so a sum cannot drift away from what it sums up.

A row whose clock is `unknown` is in no sum: nobody knows which night it belongs to.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    Select,
    Table,
    Text,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from anura_base.analysis.nights import SLOT_S, slot
from anura_base.db.engine import root_cause, write_transaction
from anura_base.db.schema import ArrivalNumber, effort, events, metadata, unknown_clock
from anura_edge.errors import JournalError

log = logging.getLogger(__name__)

MAX_EFFORT_SPAN = timedelta(days=2)
"""Of a longer stretch of effort only this much is counted: what nobody could hear should not fill the database."""

NOTES_PER_STEP = 1_000
DAYS_PER_STEP = 4
"""Days of sites that one transaction computes: a base that receives should wait for milliseconds, not for all."""

REFRESH_EVERY_S = 1.0

call_slots = Table(
    "calls_by_slot",
    metadata,
    Column("site", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("species", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Calls that began in a slot, of all devices of a site. `species` is the scientific name, or the label if there is
none."""

effort_slots = Table(
    "effort_by_slot",
    metadata,
    Column("site", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("seconds", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""Seconds of sound in each state of effort. An hour that two models heard counts for both, as their calls do."""

stale_days = Table(
    "stale_days",
    metadata,
    # PostgreSQL's notes are only added and removed, never shared: one that another transaction still holds back cannot
    # be lost. SQLite has one writer at a time, so there a day that is noted need not be noted again.
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("site", Text, nullable=False),
    Column("day", Text, nullable=False),  # in UTC, as 2026-11-20
    Column("seconds", Double, nullable=False),  # how far the row reaches from its start
    Index("stale_days_by_day", "site", "day"),
    sqlite_autoincrement=True,
)

Index("events_by_time", events.c.site, events.c.start_utc)
Index("effort_by_time", effort.c.site, effort.c.start_utc)

_REACH = {"events": "0.0", "effort": "{row}.samples * 1.0 / {row}.rate_hz"}
_DAY = {
    "sqlite": "substr({row}.start_utc, 1, 10)",
    "postgresql": "to_char({row}.start_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_QUARTER = {
    "sqlite": "substr(start_utc, 12, 2) * 4 + substr(start_utc, 15, 2) / 15",
    "postgresql": "CAST(extract(hour FROM start_utc AT TIME ZONE 'UTC') * 4"
    " + floor(extract(minute FROM start_utc AT TIME ZONE 'UTC') / 15) AS integer)",
}
"""Which quarter of an hour of its day a row begins in. Cut out of the text, because SQLite's functions round times."""


_CHANGES = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}
"""What changes a sum, and which of its rows a day is noted of."""

Slots = Mapping[tuple[int, str, str], float]
"""An amount for each slot, and for what the next two columns of a table say."""


def species_of(table: Table) -> ColumnElement[str]:
    """Return the species of an event: its scientific name, or the label where a model has none."""
    return case((table.c.scientific_name == "", table.c.label), else_=table.c.scientific_name)


def install_triggers(engine: Engine) -> None:
    """Add the triggers, and note every day of what an older version stored.

    Raises JournalError when the database does not take them.
    """
    try:
        _prepare(engine)
    except SQLAlchemyError as error:
        raise JournalError(
            f"cannot prepare the database's sums: {root_cause(error)}; check its owner and space"
        ) from error


def _prepare(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        known = _triggers(connection)
        _forget_older(connection, known)
        for table in ("events", "effort"):
            for what, rows in _CHANGES.items():
                notes = " ".join(f"{_note(engine.dialect.name, table, row)};" for row in rows)
                for statement in _TRIGGER[engine.dialect.name](table, what, notes):  # again: it may be an older one
                    connection.execute(text(statement))
            if f"{table}_changed_insert" not in known:
                connection.execute(text(f"{_note(engine.dialect.name, table, table)} FROM {table}"))


def _forget_older(connection: Connection, known: set[str]) -> None:
    """Remove what summed up each device for itself: four times the rows, which nobody asked for."""
    for name in sorted(known & {f"{table}_stale_{what}" for table in ("events", "effort") for what in _CHANGES}):
        on = f" ON {name.partition('_')[0]}" if connection.dialect.name == "postgresql" else ""
        connection.execute(text(f"DROP TRIGGER {name}{on}"))
    for name in ("call_slots", "effort_slots"):
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))


def _note(dialect: str, table: str, row: str) -> str:
    day, reach = _DAY[dialect].format(row=row), _REACH[table].format(row=row)
    note = f"INSERT INTO stale_days (site, day, seconds) SELECT DISTINCT {row}.site, {day}, {reach}"
    if dialect == "sqlite" and row != table:
        noted = f"SELECT 1 FROM stale_days WHERE site = {row}.site AND day = {day} AND seconds >= {reach}"
        note += f" WHERE NOT EXISTS ({noted})"
    return note


def _sqlite_trigger(table: str, what: str, notes: str) -> list[str]:
    name = f"{table}_changed_{what}"
    return [
        f"DROP TRIGGER IF EXISTS {name}",
        f"CREATE TRIGGER {name} AFTER {what.upper()} ON {table} BEGIN {notes} END",
    ]


def _postgresql_trigger(table: str, what: str, notes: str) -> list[str]:
    name = f"{table}_changed_{what}"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {notes} RETURN NULL; END $$",
        f"CREATE OR REPLACE TRIGGER {name} AFTER {what.upper()} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]


_TRIGGER: dict[str, Callable[[str, str, str], list[str]]] = {
    "sqlite": _sqlite_trigger,
    "postgresql": _postgresql_trigger,
}


def _triggers(connection: Connection) -> set[str]:
    there = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    return set(connection.scalars(text(there[connection.dialect.name])))


def run(engine: Engine, stop: threading.Event) -> None:
    """Keep the sums fresh until told to stop. A database that cannot be written is asked again, as ingest does."""
    healthy = True
    while not stop.is_set():
        try:
            refresh(engine, stop)
        except SQLAlchemyError as error:
            engine.dispose()
            if healthy:
                log.warning("cannot sum up: %s; trying again until it works", root_cause(error))
            healthy = False
        else:
            healthy = True
        stop.wait(REFRESH_EVERY_S)


def refresh(engine: Engine, stop: threading.Event | None = None) -> None:
    """Compute every day again that has changed. Raises SQLAlchemyError."""
    while not (stop and stop.is_set()) and _step(engine):
        pass


def _step(engine: Engine) -> bool:
    """Compute some days; return whether there may be more."""
    with engine.connect() as connection:  # without holding what ingest needs
        # The oldest notes, so that every day has its turn; of so many at most, as there may be millions.
        oldest = select(stale_days).order_by(stale_days.c.number).limit(NOTES_PER_STEP).subquery()
        todo = connection.execute(select(oldest.c.site, oldest.c.day).distinct().limit(DAYS_PER_STEP)).all()
    if not todo:
        return False
    days: set[tuple[str, datetime]] = set()
    with write_transaction(engine) as connection:
        for site, day in todo:
            gone = delete(stale_days).where(stale_days.c.site == site, stale_days.c.day == day)
            # Removed first, computed then: what is committed in between is seen, and its note stays for the next time.
            reach = max(connection.scalars(gone.returning(stale_days.c.seconds)), default=0.0)
            days |= {(site, each) for each in _days(day, reach)}
        for site, first in days:
            _sum_up(connection, site, first)
    return True


def _days(day: str, reach_s: float) -> Iterable[datetime]:
    first = datetime.fromisoformat(day).replace(tzinfo=UTC)
    try:
        last = first + timedelta(days=1, seconds=min(reach_s, MAX_EFFORT_SPAN.total_seconds()))
        while first < last:
            yield first
            first += timedelta(days=1)
    except OverflowError:
        return  # the end of the year 9999


def _sum_up(connection: Connection, site: str, first: datetime) -> None:
    end = first + timedelta(days=1)
    for table in (call_slots, effort_slots):
        within = table.c.slot.between(slot(first), slot(end) - 1)
        connection.execute(delete(table).where(table.c.site == site, within))
    names = [column.name for column in call_slots.columns]
    connection.execute(insert(call_slots).from_select(names, _calls(connection.dialect.name, site, first, end)))
    names = [column.name for column in effort_slots.columns]
    sums = _effort(connection, site, first, end)
    if rows := [dict(zip(names, (site, *key, amount), strict=True)) for key, amount in sums.items()]:
        connection.execute(insert(effort_slots), rows)


def _calls(dialect: str, site: str, first: datetime, end: datetime) -> Select[Any]:
    c = events.c
    quarter = literal_column(_QUARTER[dialect], Integer)
    keys = c.site, slot(first) + quarter, species_of(events), c.model_sha256
    query = select(*(key.label(f"k{n}") for n, key in enumerate(keys)), func.count())
    within = c.site == site, c.start_utc >= first, c.start_utc < end, ~unknown_clock(events)
    return query.where(*within).group_by(*(text(f"k{n}") for n in range(len(keys))))


def _effort(connection: Connection, site: str, first: datetime, end: datetime) -> Slots:
    c = effort.c
    seconds = c.samples * literal(1.0, Double) / c.rate_hz
    query = select(c.start_utc, seconds, c.state, c.model_sha256).where(
        c.site == site, c.start_utc > first - MAX_EFFORT_SPAN, c.start_utc < end, ~unknown_clock(effort)
    )
    slots: Counter[tuple[int, str, str]] = Counter()
    for start, length, *rest in connection.execute(query):
        begin = start.timestamp()
        until = min(begin + min(length, MAX_EFFORT_SPAN.total_seconds()), end.timestamp())
        begin = max(begin, first.timestamp())
        for number in range(int(begin // SLOT_S), -int(-until // SLOT_S)):
            inside = min(until, (number + 1) * SLOT_S) - max(begin, number * SLOT_S)
            if inside > 0:
                slots[number, *rest] += inside
    return slots
