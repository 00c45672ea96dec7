"""Queries that several packages share."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from anura_base.db.schema import health, journals
from anura_edge.wire import Health


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


def missing_row_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many rows of each (site, device) are lost: the device deleted them before they were received."""
    # Summed here, not in SQL: a device may declare any floor, and SQLite's sum fails beyond 63 bits.
    total: dict[tuple[str, str], int] = {}
    for site, device, missing in connection.execute(select(journals.c.site, journals.c.device, journals.c.missing)):
        total[site, device] = total.get((site, device), 0) + missing
    return total
