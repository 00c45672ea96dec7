"""Events, effort, notices and devices as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Column, Engine, Select, select

from anura_base.analysis.devices import DeviceView, device_views
from anura_base.analysis.rows import select_rows
from anura_base.analysis.verdicts import reviews
from anura_base.db.incidents import IncidentKind, latest_incidents
from anura_base.db.schema import effort, events, notices
from anura_base.exchange.call_filter import VerdictFilter, conditions
from anura_base.web.api.paging import After, ConfirmedOnly, Limit, link_next
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.call_filters import CallFiltersInAddress
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_edge.events import Verdict
from anura_edge.wire import EffortRow, EventRow, Name, NoticeRow

MAX_IDS = 1_000_000

DEVICES_PER_PAGE = 50
"""Fewer than of other rows: the totals of a device are counted for the answer."""


class ReviewView(BaseModel):
    """A review.

    A reviewer's last review of an event is the reviewer's opinion, unless it is `undone`. The last opinion of all
    reviewers is the verdict of the event.
    """

    number: int
    """Number in the order of the reviews."""
    event_id: UUID
    verdict: Verdict
    label: str
    """The species that calls, for the verdict `relabelled`."""
    scientific_name: str
    """The name of that species, if it is known."""
    reviewer: str
    reviewed_utc: datetime


class _ClockView(BaseModel):
    """The correction of a clock. Each value is null if no person corrected the clock."""

    clock_shift_s: float | None
    """How many seconds were added to the recorder's own time."""
    corrected_by: str | None
    corrected_utc: datetime | None


class EventView(EventRow, _ClockView):
    """An event in the database, with its verdict. Without a verdict its five values are null."""

    analysis: UUID | None  # type: ignore[assignment]  # null in rows of early versions
    verdict: Verdict | None
    new_label: str | None
    """The species that calls, for the verdict `relabelled`."""
    new_name: str | None
    """The scientific name of that species, if it is known."""
    reviewer: str | None
    reviewed_utc: datetime | None

    arrival: int
    """Number in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


class EffortView(EffortRow, _ClockView):
    """A piece of effort in the database."""

    analysis: UUID | None  # type: ignore[assignment]  # null in rows of early versions
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
    engine: Database,
    configured_sites: ConfiguredSites,
    request: Request,
    response: Response,
    filters: CallFiltersInAddress,
    limit: Limit = 100,
    after: After = 0,
    confirmed: ConfirmedOnly = False,
) -> list[dict[str, Any]]:
    """Return events in the order of arrival, each with its verdict."""
    wanted = filters.to_filter(VerdictFilter.CONFIRMED if confirmed else VerdictFilter.ANY)
    with engine.connect() as connection:
        sites = sorted_sites(connection, configured_sites)
    query = select_rows(events).where(*conditions(wanted, sites))
    return _read_page(engine, query, events.c.arrival, request, response, after, limit)


@router.get("/effort", response_model=list[EffortView])
def read_effort(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[dict[str, Any]]:
    """Return effort in the order of arrival."""
    return _read_page(engine, select_rows(effort), effort.c.arrival, request, response, after, limit)


@router.get("/notices", response_model=list[NoticeView])
def read_notices(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[dict[str, Any]]:
    """Return notices in the order of arrival."""
    return _read_page(engine, select(notices), notices.c.arrival, request, response, after, limit)


@router.get("/reviews", response_model=list[ReviewView])
def read_reviews(
    engine: Database, request: Request, response: Response, limit: Limit = 100, after: After = 0
) -> list[dict[str, Any]]:
    """Return all reviews in their order. Here `after` is the `number` of the last review that you have."""
    return _read_page(engine, select(reviews), reviews.c.number, request, response, after, limit)


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
def read_devices(
    engine: Database,
    request: Request,
    response: Response,
    limit: Limit = DEVICES_PER_PAGE,
    after: Annotated[str, Query(max_length=129, description="Site and name of the last device that you have.")] = "",
) -> list[DeviceView]:
    """Return devices by site and name, each with its last health message and with totals of its rows.

    `after` is written as in `pond/recorder-1`.
    """
    site, _, device = after.partition("/")
    with engine.connect() as connection:
        views = device_views(connection, (site, device), limit)
    if len(views) == limit:
        link_next(request, response, f"{views[-1].site}/{views[-1].device}")
    return views


@router.get("/incidents")
def read_incidents(engine: Database, limit: Limit = 100) -> list[IncidentView]:
    """Return what the base station noticed about devices and their messages, the latest first."""
    with engine.connect() as connection:
        rows = latest_incidents(connection, datetime.min.replace(tzinfo=UTC))
    return [IncidentView.model_validate(row, from_attributes=True) for row in rows[:limit]]


def _read_page(
    engine: Engine,
    query: Select[Any],
    number: Column[int],
    request: Request,
    response: Response,
    after: int,
    limit: int,
) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(query.where(number > after).order_by(number).limit(limit))
        rows = [dict(row) for row in found.mappings()]
    if len(rows) == limit:
        link_next(request, response, rows[-1][number.name])
    return rows
