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

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Index,
    Integer,
    Table,
    Text,
    case,
    delete,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from anura_base.database import cause
from anura_base.nights import SLOT_S, slot
from anura_base.tables import ArrivalNumber, effort, events, metadata, unknown_clock
from anura_edge.errors import JournalError

log = logging.getLogger(__name__)

LONGEST = timedelta(days=2)
"""Of a longer stretch of effort only this much is counted: what nobody could hear should not fill the database."""

DAYS_PER_STEP = 8
"""Days of sites that one transaction computes: a base that receives should wait for milliseconds, not for all."""

REFRESH_EVERY_S = 1.0

call_slots = Table(
    "call_slots",
    metadata,
    Column("site", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("species", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("calls", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Calls that began in a slot. `species` is the scientific name, or the label where a model has none."""

effort_slots = Table(
    "effort_slots",
    metadata,
    Column("site", Text, primary_key=True),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, primary_key=True),
    Column("device", Text, primary_key=True),
    Column("model_sha256", Text, primary_key=True),
    Column("seconds", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""Seconds of sound in each state of effort. An hour that two models heard counts for both, as their calls do."""

stale_days = Table(
    "stale_days",
    metadata,
    # Notes are only added and removed, never shared: one that another transaction still holds back cannot be lost.
    Column("number", ArrivalNumber, primary_key=True, autoincrement=True),
    Column("site", Text, nullable=False),
    Column("day", Text, nullable=False),  # in UTC, as 2026-11-20
    Column("seconds", Double, nullable=False),  # how far the row reaches from its start
    sqlite_autoincrement=True,
)

Index("events_by_time", events.c.site, events.c.start_utc)
Index("effort_by_time", effort.c.site, effort.c.start_utc)

_REACH = {"events": "0", "effort": "{row}.samples * 1.0 / {row}.rate_hz"}
_DAY = {
    "sqlite": "substr({row}.start_utc, 1, 10)",
    "postgresql": "to_char({row}.start_utc AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}


Slots = Mapping[tuple[int, str, str, str], float]
"""An amount for each slot, and for what the next three columns of a table say."""


def species_of(table: Table) -> ColumnElement[str]:
    """Return the species of an event: its scientific name, or the label where a model has none."""
    return case((table.c.scientific_name == "", table.c.label), else_=table.c.scientific_name)


def prepare(engine: Engine) -> None:
    """Add the triggers, and note every day of what an older version stored.

    Raises JournalError when the database does not take them.
    """
    try:
        _prepare(engine)
    except SQLAlchemyError as error:
        raise JournalError(f"cannot prepare the database's sums: {cause(error)}; check its owner and space") from error


def _prepare(engine: Engine) -> None:
    with engine.begin() as connection:
        known = _triggers(connection)
        for table in ("events", "effort"):
            if f"{table}_stale_insert" in known:
                continue
            for what, rows in (("insert", ("NEW",)), ("update", ("OLD", "NEW")), ("delete", ("OLD",))):
                notes = " ".join(f"{_note(engine.dialect.name, table, row)};" for row in rows)
                for statement in _TRIGGER[engine.dialect.name](table, what, notes):
                    connection.execute(text(statement))
            connection.execute(text(f"{_note(engine.dialect.name, table, table)} FROM {table}"))


def _note(dialect: str, table: str, row: str) -> str:
    day, reach = _DAY[dialect].format(row=row), _REACH[table].format(row=row)
    return f"INSERT INTO stale_days (site, day, seconds) SELECT DISTINCT {row}.site, {day}, {reach}"


def _sqlite_trigger(table: str, what: str, notes: str) -> list[str]:
    return [f"CREATE TRIGGER {table}_stale_{what} AFTER {what.upper()} ON {table} BEGIN {notes} END"]


def _postgresql_trigger(table: str, what: str, notes: str) -> list[str]:
    name = f"{table}_stale_{what}"
    return [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {notes} RETURN NULL; END $$",
        f"CREATE TRIGGER {name} AFTER {what.upper()} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
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
                log.warning("cannot sum up: %s; trying again until it works", cause(error))
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
        notes = select(stale_days.c.site, stale_days.c.day).distinct().limit(DAYS_PER_STEP)
        todo = connection.execute(notes).all()
    if not todo:
        return False
    days: set[tuple[str, datetime]] = set()
    with engine.begin() as connection:
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
        last = first + timedelta(days=1, seconds=min(reach_s, LONGEST.total_seconds()))
        while first < last:
            yield first
            first += timedelta(days=1)
    except OverflowError:
        return  # the end of the year 9999


def _sum_up(connection: Connection, site: str, first: datetime) -> None:
    end = first + timedelta(days=1)
    _replace(connection, call_slots, site, (first, end), _calls(connection, site, first, end))
    _replace(connection, effort_slots, site, (first, end), _effort(connection, site, first, end))


def _replace(connection: Connection, table: Table, site: str, day: tuple[datetime, datetime], sums: Slots) -> None:
    within = table.c.slot.between(slot(day[0]), slot(day[1]) - 1)
    connection.execute(delete(table).where(table.c.site == site, within))
    names = [column.name for column in table.columns]
    if rows := [dict(zip(names, (site, *key, amount), strict=True)) for key, amount in sums.items()]:
        connection.execute(insert(table), rows)


def _calls(connection: Connection, site: str, first: datetime, end: datetime) -> Slots:
    c = events.c
    query = select(c.start_utc, species_of(events), c.device, c.model_sha256).where(
        c.site == site, c.start_utc >= first, c.start_utc < end, ~unknown_clock(events)
    )
    return Counter((slot(start), *rest) for start, *rest in connection.execute(query))


def _effort(connection: Connection, site: str, first: datetime, end: datetime) -> Slots:
    c = effort.c
    seconds = c.samples * literal(1.0, Double) / c.rate_hz
    query = select(c.start_utc, seconds, c.state, c.device, c.model_sha256).where(
        c.site == site, c.start_utc > first - LONGEST, c.start_utc < end, ~unknown_clock(effort)
    )
    slots: Counter[tuple[int, str, str, str]] = Counter()
    for start, length, *rest in connection.execute(query):
        begin = start.timestamp()
        until = min(begin + min(length, LONGEST.total_seconds()), end.timestamp())
        begin = max(begin, first.timestamp())
        for number in range(int(begin // SLOT_S), -int(-until // SLOT_S)):
            inside = min(until, (number + 1) * SLOT_S) - max(begin, number * SLOT_S)
            if inside > 0:
                slots[number, *rest] += inside
    return slots
