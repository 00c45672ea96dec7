"""Queries that several packages share."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, func, select

from anura_base.db.schema import devices, health, journals, received
from anura_edge.wire import Health
from anura_edge.wire.health import MAX_INTERVAL_S, STALE_AFTER_MESSAGES

DEFAULT_INTERVAL_S = 60.0
"""Time between two health messages by the default settings of a device."""


def rows_after(connection: Connection, table: Table, arrival: int, limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` rows in order of arrival, from the one after `arrival`."""
    query = select(table).where(table.c.arrival > arrival).order_by(table.c.arrival).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def latest_health(connection: Connection) -> dict[tuple[str, str], tuple[Health, datetime | None]]:
    """Return the last health message of each (site, device) and when it was received.

    The time is None for a message that the broker retained: its age is unknown.
    """
    return {
        (site, device): (Health.model_validate_json(message), received_utc)
        for site, device, received_utc, message in connection.execute(select(health))
    }


def present_states(connection: Connection, now: datetime) -> dict[tuple[str, str], str | None]:
    """Return the state of each (site, device): `online`, `offline`, `unknown`, or None if it never sent a status.

    The broker stores the last status, and a device that loses its power with the broker stays `online` there. So it
    counts only while messages arrive: after three intervals of the health message without any, the state is `unknown`.
    """
    reports = latest_health(connection)
    found: dict[tuple[str, str], str | None] = {}
    for site, device, state, seen_utc in connection.execute(
        select(devices.c.site, devices.c.device, devices.c.state, devices.c.last_seen_utc)
    ):
        health, _ = reports.get((site, device), (None, None))
        every_s = min(health.every_s, MAX_INTERVAL_S) if health else DEFAULT_INTERVAL_S
        longest = STALE_AFTER_MESSAGES * timedelta(seconds=every_s)
        # A time to come is from a clock that was wrong: it says nothing.
        is_recent = seen_utc is not None and abs(now - seen_utc) <= longest
        found[site, device] = "unknown" if state == "online" and not is_recent else state
    return found


def is_retired(retired_utc: datetime | None, last_seen_utc: datetime | None) -> bool:
    """Return whether a device is out of use: a person retired it, and it has sent nothing since."""
    return retired_utc is not None and (last_seen_utc is None or last_seen_utc <= retired_utc)


def missing_row_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many rows of each (site, device) are lost: the device deleted them before they were received.

    A journal may have rows of several sites, as after a scan of several cards. Then each site has only some of its
    sequence numbers. So a number is lost if no site has it, and the lost rows are shown at the first site.
    """
    # Summed here, not in SQL: a device may declare any floor, and SQLite's sum fails beyond 63 bits.
    total: dict[tuple[str, str], int] = {}
    c = journals.c
    shared = select(c.device, c.journal, func.max(c.floor)).group_by(c.device, c.journal).having(func.count() > 1)
    lost = {
        (device, journal): _lost_below(connection, device, journal, floor)
        for device, journal, floor in connection.execute(shared).all()
    }
    query = select(c.site, c.device, c.journal, c.missing).order_by(c.site, c.device)
    for site, device, journal, missing in connection.execute(query):
        key = device, journal
        total[site, device] = total.get((site, device), 0) + lost.get(key, missing)
        if key in lost:
            lost[key] = 0
    return total


def _lost_below(connection: Connection, device: str, journal: UUID, floor: int) -> int:
    """Return how many numbers of a journal below its floor were received from none of its sites."""
    spans = select(received.c.first, received.c.last).where(received.c.device == device, received.c.journal == journal)
    covered = end = 0
    for first, last in connection.execute(spans.order_by(received.c.first)):
        begin, end_here = max(first, end + 1), min(last, floor - 1)
        covered += max(0, end_here - begin + 1)
        end = max(end, end_here)
    return floor - 1 - covered
