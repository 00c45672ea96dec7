"""The audit log: who changed what on the pages, and when."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from anura_base.access.tables import audit_log

MAX_ENTRIES = 100_000
"""The oldest entries beyond this number are deleted."""


def record(connection: Connection, who: str, what: str) -> None:
    """Add an entry, in the transaction of the change: neither is stored without the other."""
    connection.execute(insert(audit_log).values(utc=datetime.now(UTC), who=who, what=what))
    newest = select(func.max(audit_log.c.number)).scalar_subquery()
    connection.execute(delete(audit_log).where(audit_log.c.number <= newest - MAX_ENTRIES))


def latest(connection: Connection, limit: int, before: int | None = None) -> Sequence[Row[Any]]:
    """Return the newest entries first: number, utc, who and what; with `before`, those before this number."""
    query = select(audit_log).order_by(audit_log.c.number.desc()).limit(limit)
    return connection.execute(query if before is None else query.where(audit_log.c.number < before)).all()
