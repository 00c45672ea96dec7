"""State of the base station itself: broker, database, disk, last row and alerts. Every page shows it in its header."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from anura_base.alerts.history import count_active
from anura_base.db.schema import effort, events, notices
from anura_base.web.state import BrokerStatus, IngestStatus

DISK_LOW_BYTES = 1_000_000_000
"""With less free space on the disk of the database, every page warns."""


@dataclass(frozen=True, slots=True)
class Station:
    """What works, and what does not, at this moment."""

    broker: bool
    """Whether messages can be received."""
    database: bool
    """Whether rows can be stored and read."""
    disk_free_bytes: int | None
    """Free space on the disk of the database; None if the database is on another machine."""
    last_row_utc: datetime | None
    """When the last event, effort row or notice was received; None before the first one."""
    alerts: int
    """Active alerts: their condition holds, and they are not acknowledged."""
    now_utc: datetime

    @property
    def disk_is_low(self) -> bool:
        """Whether the disk of the database is nearly full."""
        return self.disk_free_bytes is not None and self.disk_free_bytes < DISK_LOW_BYTES

    @property
    def problems(self) -> list[str]:
        """Return why rows cannot be received or stored now, or soon, for people."""
        problems = []
        if not self.broker:
            problems.append("The broker is not connected, so no new calls arrive. Check the broker and mqtt.host.")
        if not self.database:
            problems.append("The database cannot be written, so new calls wait at the devices. Check the disk.")
        if self.disk_is_low:
            problems.append("The disk of the database is nearly full. Delete other files, or set retention.")
        return problems


def read_station(engine: Engine, broker: BrokerStatus, ingest: IngestStatus) -> Station:
    """Return the state now. A database that does not answer is part of the state and no error."""
    last_row_utc, alerts, answers = None, 0, True
    try:
        with engine.connect() as connection:
            last_row_utc = _last_row(connection)
            alerts = count_active(connection)
    except SQLAlchemyError:
        answers = False
    works = ingest.healthy and answers
    return Station(broker.connected, works, disk_free_bytes(engine), last_row_utc, alerts, datetime.now(UTC))


def disk_free_bytes(engine: Engine) -> int | None:
    """Return the free space on the disk of the database, or None if it is no file on this machine."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    try:
        return shutil.disk_usage(Path(engine.url.database).parent).free
    except OSError:
        return None


def _last_row(connection: Connection) -> datetime | None:
    newest = (
        connection.scalar(select(table.c.received_utc).order_by(table.c.arrival.desc()).limit(1))
        for table in (events, effort, notices)
    )
    return max((moment for moment in newest if moment is not None), default=None)
