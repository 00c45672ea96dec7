"""Read and write the alerts in the database."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, tuple_, update

from anura_base.alerts.alert import Alert, AlertKey, DedupKey
from anura_base.alerts.tables import deliveries, firings, reading
from anura_base.config.alerts import AlertSettings
from anura_base.db.engine import insert_new

log = logging.getLogger(__name__)

MAX_KEYS = 200
"""Keys in one query: a database accepts a limited number of parameters."""


def save(
    connection: Connection, alerts: Iterable[Alert], settings: AlertSettings, now: datetime, over_utc: datetime | None
) -> None:
    """Insert alerts and a delivery for each of their channels. `over_utc` is None while a condition holds."""
    for alert in alerts:
        log.info("alert %s: %s", alert.key.rule, alert.text)
        row = {
            "rule": alert.key.rule,
            "subject": alert.key.subject,
            "occasion": alert.dedup_id,
            "site": alert.site,
            "device": alert.device,
            "moment_utc": alert.moment_utc,
            "fired_utc": now,
            "over_utc": over_utc,
            "text": alert.text,
        }
        number = connection.scalar(insert(firings).values(row).returning(firings.c.arrival))
        channels = settings.channels_of(alert.key.rule)
        due = [{"firing": number, "channel": channel, "tries": 0, "next_try_utc": now} for channel in channels]
        insert_new(connection, deliveries, due)


def end(connection: Connection, key: AlertKey, now: datetime) -> None:
    """Store that a condition has ended."""
    ongoing = firings.c.rule == key.rule, firings.c.subject == key.subject, firings.c.over_utc.is_(None)
    connection.execute(update(firings).where(*ongoing).values(over_utc=now))


def ongoing(connection: Connection) -> set[AlertKey]:
    """Return the keys of the conditions that have not ended."""
    query = select(firings.c.rule, firings.c.subject).where(firings.c.over_utc.is_(None))
    return {AlertKey(rule, subject) for rule, subject in connection.execute(query)}


def sent(connection: Connection, keys: Iterable[DedupKey]) -> set[DedupKey]:
    """Return those keys for which an alert exists."""
    found: set[DedupKey] = set()
    columns = firings.c.rule, firings.c.subject, firings.c.occasion
    for part in _parts(sorted((*key, dedup_id) for key, dedup_id in keys)):
        for rule, subject, dedup_id in connection.execute(select(*columns).where(tuple_(*columns).in_(part))):
            found.add(DedupKey(AlertKey(rule, subject), dedup_id))
    return found


def last_sent(connection: Connection, keys: Iterable[AlertKey]) -> dict[AlertKey, datetime]:
    """Return the time of the last alert of each key that has one."""
    found: dict[AlertKey, datetime] = {}
    columns = firings.c.rule, firings.c.subject
    for part in _parts(sorted(tuple(key) for key in keys)):
        query = select(*columns, func.max(firings.c.fired_utc)).where(tuple_(*columns).in_(part)).group_by(*columns)
        found |= {AlertKey(rule, subject): moment for rule, subject, moment in connection.execute(query)}
    return found


def position(connection: Connection) -> int | None:
    """Return the arrival number of the last event that was evaluated, None before the first start."""
    number: int | None = connection.scalar(select(reading.c.arrival).where(reading.c.what == "events"))
    return number


def set_position(connection: Connection, arrival: int) -> None:
    """Store the arrival number of the last event that was evaluated."""
    changed = connection.execute(update(reading).where(reading.c.what == "events").values(arrival=arrival))
    if not changed.rowcount:
        insert_new(connection, reading, [{"what": "events", "arrival": arrival}])


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    return (items[first : first + MAX_KEYS] for first in range(0, len(items), MAX_KEYS))
