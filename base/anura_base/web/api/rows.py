"""Events, effort, notices and devices as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Engine, Table, select

from anura_base.analysis.devices import DeviceView, device_views
from anura_base.db import queries
from anura_base.db.incidents import IncidentKind, latest_incidents
from anura_base.db.schema import effort, events, notices
from anura_base.web.api.paging import After, Limit, link_next
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.state import Database
from anura_edge.wire import EffortRow, EventRow, Name, NoticeRow

MAX_IDS = 1_000_000


class EventView(EventRow):
    """An event in the database."""

    arrival: int
    """Number in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


class EffortView(EffortRow):
    """A piece of effort in the database."""

    arrival: int
    """Number in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


class NoticeView(NoticeRow):
    """A notice in the database."""

    arrival: int
    """Number in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


class IncidentView(BaseModel):
    """Something that the base station noticed, for a person to check."""

    what: IncidentKind
    site: str
    """Empty, like `device`, if it is not about one device."""
    device: str
    subject: str
    """The journal, recording or base station that it is about."""
    detail: str
    """A sentence with the remedy."""
    first_utc: datetime
    last_utc: datetime


router = APIRouter(prefix="/api", tags=["rows"], dependencies=[NEEDS_VIEWER])


@router.get("/events", response_model=list[EventView])
def read_events(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[dict[str, Any]]:
    """Return events in the order of arrival."""
    return _read_page(engine, events, request, response, after, limit)


@router.get("/effort", response_model=list[EffortView])
def read_effort(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[dict[str, Any]]:
    """Return effort in the order of arrival."""
    return _read_page(engine, effort, request, response, after, limit)


@router.get("/notices", response_model=list[NoticeView])
def read_notices(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[dict[str, Any]]:
    """Return notices in the order of arrival."""
    return _read_page(engine, notices, request, response, after, limit)


@router.get("/events/ids")
def read_event_ids(
    engine: Database,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_IDS)] = MAX_IDS,
    after: After = 0,
) -> list[UUID]:
    """Return only the ids of events, in the order of arrival."""
    query = select(events.c.id, events.c.arrival).where(events.c.arrival > after)
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(events.c.arrival).limit(limit)).all()
    if len(rows) == limit:
        link_next(request, response, rows[-1].arrival)
    return [row.id for row in rows]


@router.get("/devices")
def read_devices(engine: Database) -> list[DeviceView]:
    """Return every device with its last health message and with totals of its rows."""
    with engine.connect() as connection:
        return device_views(connection)


@router.get("/incidents")
def read_incidents(engine: Database, limit: Limit = 100) -> list[IncidentView]:
    """Return what the base station noticed about devices and their messages, the latest first."""
    with engine.connect() as connection:
        rows = latest_incidents(connection, datetime.min.replace(tzinfo=UTC))
    return [IncidentView.model_validate(row, from_attributes=True) for row in rows[:limit]]


def _read_page(
    engine: Engine, table: Table, request: Request, response: Response, after: int, limit: int
) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = queries.rows_after(connection, table, after, limit)
    if len(rows) == limit:
        link_next(request, response, rows[-1]["arrival"])
    return rows
