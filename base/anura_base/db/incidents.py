"""Incidents: what the base station noticed about devices and their messages, for a person to check.

A message that is odd but usable is stored and acknowledged like any other, and the incident tells a person. The same
incident is stored once, with the times at which it was first and last noticed.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from anura_base.db.engine import insert_new, key_matches
from anura_base.db.schema import incidents

log = logging.getLogger(__name__)

MAX_INCIDENTS = 1_000
"""The oldest beyond this number are deleted: a hostile device can cause any number."""


class IncidentKind(StrEnum):
    """The kind of the incident."""

    GAPS = "gaps"
    """A journal has more gaps than the base station records."""
    CLONE = "clone"
    """Two devices use one journal, or a journal was restored from a backup."""
    TWO_MACHINES = "two_machines"
    """Two computers report under one name at the same time."""
    SECOND_BASE = "second_base"
    """Another base station acknowledges rows of devices on the same broker."""
    JOURNALS = "journals"
    """A device has begun more journals than the base station records."""
    FUTURE = "future"
    """A device sends rows of a time to come: its clock is wrong."""
    OWNER = "owner"
    """Recordings of one site or device are now of another."""
    UPDATE = "update"
    """A device does not use the model or the settings that it was given."""
    UNUSABLE = "unusable"
    """The base station cannot compute with a row, and has left it out."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a person should check. `what`, `site`, `device` and `subject` identify it."""

    what: IncidentKind
    site: str
    device: str
    subject: str
    """The journal, recording or base station that it is about; empty if there is none."""
    detail: str
    """A sentence with the remedy."""


def report(connection: Connection, found: Iterable[tuple[Incident, datetime]]) -> None:
    """Store incidents and when they were noticed. The first time is also logged."""
    for incident, noticed_utc in found:
        row = asdict(incident)
        key = {name: value for name, value in row.items() if name != "detail"}
        same = update(incidents).where(*key_matches(incidents, key))
        if connection.execute(same.values(detail=incident.detail, last_utc=noticed_utc)).rowcount:
            continue
        insert_new(connection, incidents, [{**row, "first_utc": noticed_utc, "last_utc": noticed_utc}])
        log.warning("%s/%s: %s", incident.site, incident.device, incident.detail)
        newest = select(func.max(incidents.c.number)).scalar_subquery()
        connection.execute(delete(incidents).where(incidents.c.number <= newest - MAX_INCIDENTS))


def latest_incidents(connection: Connection, since_utc: datetime) -> Sequence[Row[Any]]:
    """Return the incidents that were noticed since a moment, the latest first."""
    query = select(incidents).where(incidents.c.last_utc >= since_utc)
    return connection.execute(query.order_by(incidents.c.last_utc.desc(), incidents.c.number.desc())).all()
