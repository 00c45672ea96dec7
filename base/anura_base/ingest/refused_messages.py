"""Refused messages for people: grouped by their reasons, and tried again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from anura_base.db.schema import UtcDateTime, dead_letters
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage


def refused_groups(connection: Connection, limit: int) -> Sequence[Row[Any]]:
    """Return the refused messages of each topic and reason, the newest group first.

    Columns: topic, reason, messages (their number), retryable (those that are stored whole), first_utc, last_utc,
    arrival (the highest number) and payload_head (of the newest message).
    """
    c = dead_letters.c
    times = (edge(c.received_utc, type_=UtcDateTime) for edge in (func.min, func.max))
    numbers = func.count().label("messages"), func.count(c.payload).label("retryable")
    first, last = (each.label(name) for each, name in zip(times, ("first_utc", "last_utc"), strict=True))
    groups = select(c.topic, c.reason, *numbers, first, last, func.max(c.arrival).label("arrival"))
    newest = groups.group_by(c.topic, c.reason).subquery()
    head = dead_letters.alias()
    query = select(newest, head.c.payload_head).join(head, head.c.arrival == newest.c.arrival)
    return connection.execute(query.order_by(newest.c.arrival.desc()).limit(limit)).all()


def try_again(connection: Connection, upto: int) -> tuple[int, int]:
    """Store the rows of the refused messages up to a number, if this program can use them now, as after an update.

    Return how many messages were tried, and how many are refused again: these are dead letters again. A row that the
    device has delivered meanwhile, in another message, adds nothing.
    """
    c = dead_letters.c
    chosen = c.payload.is_not(None), c.arrival <= upto
    rows = connection.execute(select(dead_letters).where(*chosen).order_by(c.arrival)).all()
    connection.execute(delete(dead_letters).where(*chosen))
    # `retained`: an old message does not show that the device is online now.
    ingest(connection, [RawMessage(row.topic, row.payload, True, row.received_utc) for row in rows])
    refused = connection.scalar(select(func.count()).where(c.payload.is_not(None), c.arrival > upto)) or 0
    return len(rows), refused
