"""Brings the values of rows that were stored before the wire format had limits within these limits, once.

A row of the year 1, or with a level of 1e308, would end each job and page that computes with it.
"""

import logging

from pydantic import ValidationError
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    case,
    cast,
    delete,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from anura_base.db.engine import key_matches, root_cause, write_transaction
from anura_base.db.schema import effort, events, health, notices, upgrades
from anura_edge.audio import ClockSource
from anura_edge.errors import JournalError
from anura_edge.wire import FIRST_UTC, LAST_UTC, MAX_LEVEL_DBFS, MAX_RECORDING_S, MAX_SIGNED_AMOUNT, Health

log = logging.getLogger(__name__)

_NAME = "limits of values"


def limit_stored_values(engine: Engine) -> None:
    """Limit the values of all rows, unless this was done before.

    Raises JournalError when the database refuses it.
    """
    try:
        with write_transaction(engine) as connection:
            if connection.scalar(select(upgrades.c.name).where(upgrades.c.name == _NAME)) is None:
                _limit_all(connection)
                connection.execute(insert(upgrades).values(name=_NAME))
    except SQLAlchemyError as error:
        reason = root_cause(error)
        raise JournalError(f"cannot check the stored rows: {reason}; check the database's owner and space") from error


def _limit_all(connection: Connection) -> None:
    changed = 0
    for table in (events, effort):
        start = table.c.start_utc
        values = {"start_utc": _limited(start, FIRST_UTC, LAST_UTC), "clock_source": ClockSource.UNKNOWN}
        changed += _change(connection, table, or_(start < FIRST_UTC, start > LAST_UTC), values)
        for name in {"onset_sample", "offset_sample", "first_sample", "samples"} & set(table.c.keys()):
            sample, last = table.c[name], cast(table.c.rate_hz, BigInteger) * literal(int(MAX_RECORDING_S), BigInteger)
            changed += _change(connection, table, sample > last, {name: last})
    for low, high in ((events.c.start_utc, events.c.end_utc), (events.c.onset_sample, events.c.offset_sample)):
        changed += _change(connection, events, high < low, {high.name: low})
    for column in (events.c.end_utc, notices.c.utc):
        where = or_(column < FIRST_UTC, column > LAST_UTC)
        changed += _change(connection, column.table, where, {column.name: _limited(column, FIRST_UTC, LAST_UTC)})
    for column, limit, value in (
        (events.c.level_dbfs, MAX_LEVEL_DBFS, _limited(events.c.level_dbfs, -MAX_LEVEL_DBFS, MAX_LEVEL_DBFS)),
        (notices.c.amount, MAX_SIGNED_AMOUNT, null()),
    ):
        outside = and_(column.is_not(None), ~column.between(-limit, limit))
        changed += _change(connection, column.table, outside, {column.name: value})
    _remove_invalid_health(connection)
    if changed:
        log.warning("%d values of stored rows were outside the limits and were changed", changed)


def _change(connection: Connection, table: Table, where: ColumnElement[bool], values: dict[str, object]) -> int:
    return connection.execute(update(table).where(where).values(values)).rowcount


def _limited(column: ColumnElement[object], low: object, high: object) -> ColumnElement[object]:
    return case((column < low, low), (column > high, high), else_=column)


def _remove_invalid_health(connection: Connection) -> None:
    """Remove health messages that cannot be read any more. A working device sends the next one within minutes."""
    for site, device, message in connection.execute(select(health.c.site, health.c.device, health.c.message)).all():
        try:
            Health.model_validate_json(message)
        except ValidationError:
            connection.execute(delete(health).where(*key_matches(health, {"site": site, "device": device})))
