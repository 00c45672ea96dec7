"""The JSON API: what programs read. Described at /api/openapi.json, in full: every answer has a schema.

Lists are read in pages, in the order in which their rows arrived. An answer that may have more after it names the next
page in its `Link` header (RFC 8288), so that a reader who follows it, now or next week, misses nothing and reads
nothing twice.
"""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from sqlalchemy import Engine, Table, select

from anura_base.analysis.devices import DeviceView, device_views
from anura_base.db import queries
from anura_base.db.schema import effort, events, notices
from anura_base.web.auth import Viewer
from anura_base.web.problems import MEDIA_TYPE, Problem
from anura_edge.wire import EffortRow, EventRow, Name, NoticeRow

MAX_PAGE = 1_000
MAX_IDS = 1_000_000

After = Annotated[int, Query(ge=0, lt=2**63, description="The `arrival` of the last row that you have.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Rows in a page.")]

PROBLEMS = {
    401: "Nobody is logged in, and there is no token that is known.",
    403: "Who asks may not do this, or it came from another site's page.",
    422: "A parameter is not what it should be.",
    503: "The database does not answer.",
}


class EventView(EventRow):
    """A call, as it is stored."""

    arrival: int
    """Place in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


class EffortView(EffortRow):
    """A stretch of listening, as it is stored."""

    arrival: int
    """Place in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


class NoticeView(NoticeRow):
    """Something that happened to a device, as it is stored."""

    arrival: int
    """Place in the order of arrival."""
    site: Name
    device: Name
    journal: UUID
    received_utc: datetime


def api_routes(engine: Engine) -> APIRouter:
    """Return the routes of the API that read what devices sent."""
    router = APIRouter(prefix="/api", tags=["rows"])

    def page(table: Table, request: Request, response: Response, after: int, limit: int) -> list[dict[str, Any]]:
        with engine.connect() as connection:
            rows = queries.rows_after(connection, table, after, limit)
        if len(rows) == limit:
            link_next(request, response, rows[-1]["arrival"])
        return rows

    @router.get("/events", response_model=list[EventView])
    def read_events(
        _viewer: Viewer, request: Request, response: Response, limit: Limit = 100, after: After = 0
    ) -> list[dict[str, Any]]:
        """Return calls, in the order of arrival."""
        return page(events, request, response, after, limit)

    @router.get("/effort", response_model=list[EffortView])
    def read_effort(
        _viewer: Viewer, request: Request, response: Response, limit: Limit = 100, after: After = 0
    ) -> list[dict[str, Any]]:
        """Return what was listened to, in the order of arrival."""
        return page(effort, request, response, after, limit)

    @router.get("/notices", response_model=list[NoticeView])
    def read_notices(
        _viewer: Viewer, request: Request, response: Response, limit: Limit = 100, after: After = 0
    ) -> list[dict[str, Any]]:
        """Return what happened to devices, in the order of arrival."""
        return page(notices, request, response, after, limit)

    @router.get("/events/ids")
    def read_event_ids(
        _viewer: Viewer,
        request: Request,
        response: Response,
        limit: Annotated[int, Query(ge=1, le=MAX_IDS)] = MAX_IDS,
        after: After = 0,
    ) -> list[UUID]:
        """Return the ids of the calls alone, in the order of arrival."""
        query = select(events.c.id, events.c.arrival).where(events.c.arrival > after)
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(events.c.arrival).limit(limit)).all()
        if len(rows) == limit:
            link_next(request, response, rows[-1].arrival)
        return [row.id for row in rows]

    @router.get("/devices")
    def read_devices(_viewer: Viewer) -> list[DeviceView]:
        """Return every device: when it was last seen, what came from it, and how it said it is."""
        with engine.connect() as connection:
            return device_views(connection)

    return router


def link_next(request: Request, response: Response, arrival: int) -> None:
    """Name the page after the row that arrived so."""
    response.headers["Link"] = f'<{request.url.include_query_params(after=arrival)}>; rel="next"'


def describe(app: FastAPI) -> None:
    """Let an application describe its API, its problems and how one is let in; its pages are for people."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    # As FastAPI's documentation says how.
    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    described = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    described["paths"] = {path: what for path, what in described["paths"].items() if path.startswith("/api/")}
    components = described.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{}, {"token": []}]
    schema = {"$ref": "#/components/schemas/Problem"}
    problems = {
        str(status): {"description": text, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, text in PROBLEMS.items()
    }
    for path in described["paths"].values():
        for operation in path.values():
            operation["responses"] |= problems
    return described
