"""The queue of calls that nobody has looked at."""

import re
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from anura_base.access.roles import Role
from anura_base.analysis import reviews
from anura_base.analysis.reviews import ReviewOrder, Verdict
from anura_base.clips.view import clip_views, spectrogram_layout
from anura_base.db.engine import write_transaction
from anura_base.exchange.training_set import training_zip
from anura_base.web.auth import Reviewer, Viewer
from anura_base.web.clip_routes import ask
from anura_base.web.filters import known_species
from anura_base.web.layout import Frame

MAX_SKIPPED = 50

_CODE = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
"""What a species code may be, on the wire and in a training set."""


class Queue:
    """Which calls are asked about."""

    def __init__(
        self,
        species: Annotated[str, Query(max_length=600)] = "",
        site: Annotated[str, Query(max_length=64)] = "",
        order: ReviewOrder = ReviewOrder.ANY,
        event: UUID | None = None,
        skip: Annotated[list[UUID] | None, Query()] = None,
    ) -> None:
        self.species, self.site, self.order = species, site, order
        self.event = event
        self.skip = (skip or [])[-MAX_SKIPPED:]

    def address(self, **more: object) -> str:
        """Return the address of the queue, or of something in it."""
        told = {"species": self.species, "site": self.site, "order": self.order.value, **more}
        return "review?" + urlencode({key: value for key, value in told.items() if value}, doseq=True)


Asked = Annotated[Queue, Depends()]


def routes(frame: Frame) -> APIRouter:
    """Return the page, what its buttons do, and the data set that comes of it."""
    router = APIRouter()

    @router.get("/review", response_class=HTMLResponse)
    def page(request: Request, viewer: Viewer, queue: Asked) -> HTMLResponse:
        with frame.engine.connect() as connection:
            values = _read(frame, connection, queue, viewer.name)
        return frame.page(request, "review.html", queue=queue, may=viewer.role.allows(Role.REVIEW), **values)

    @router.post("/review/undo")
    def undo(request: Request, reviewer: Reviewer, queue: Asked) -> RedirectResponse:
        with write_transaction(frame.engine) as connection:
            last = reviews.latest_review(connection, reviewer.name)
            if last is None:
                raise HTTPException(409, f"{reviewer.name} has reviewed nothing that could be undone")
            reviews.add_review(connection, last.event_id, reviewer.name, Verdict.UNDONE)
        return _to(request, queue.address(event=last.event_id))

    @router.post("/review/{event_id}")
    def judge(
        request: Request,
        reviewer: Reviewer,
        queue: Asked,
        event_id: UUID,
        verdict: Annotated[Verdict, Form()],
        label: Annotated[str, Form()] = "",
    ) -> RedirectResponse:
        if verdict is Verdict.RELABELLED and not _CODE.fullmatch(label):
            raise HTTPException(422, f"label: {label[:40]!r} is no code; use 1 to 32 letters, digits, - or _")
        with write_transaction(frame.engine) as connection:
            if reviews.find_event(connection, event_id) is None:
                raise HTTPException(404, f"there is no call {event_id}; its device may have taken it back")
            reviews.add_review(connection, event_id, reviewer.name, verdict, label)
        return _to(request, queue.address(skip=[str(each) for each in queue.skip]))

    @router.post("/review/{event_id}/clip")
    def ask_for_clip(request: Request, reviewer: Reviewer, queue: Asked, event_id: UUID) -> RedirectResponse:
        with write_transaction(frame.engine) as connection:
            ask(connection, event_id, reviewer.name)
        return _to(request, queue.address(event=event_id, skip=[str(each) for each in queue.skip]))

    @router.get("/review/training.zip")
    def training(viewer: Viewer) -> Response:  # noqa: ARG001
        with frame.engine.connect() as connection:
            data = training_zip(reviews.reviewed_events(connection), frame.sites(connection))
        named = {"Content-Disposition": 'attachment; filename="reviewed-calls.zip"'}
        return Response(data, media_type="application/zip", headers=named)

    return router


def _to(request: Request, address: str) -> RedirectResponse:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/{address}", 303)


def _read(frame: Frame, connection: Connection, queue: Queue, who: str) -> dict[str, Any]:
    species = known_species(connection)
    queue.species = queue.species or (species[0] if species else "")
    event = reviews.find_event(connection, queue.event) if queue.event else None
    event = event or reviews.next_event(connection, queue.species, queue.site, queue.order, queue.skip)
    sites = frame.sites(connection)
    clip = clip_views(connection, [event]).get(event.id) if event else None
    return {
        "clip": clip,
        "shown": clip and spectrogram_layout(clip),
        "all_species": species,
        "all_sites": sites,
        "orders": {"any": "all scores alike", "highest": "highest first", "lowest": "lowest first"},
        "event": event,
        "zone": sites[event.site].zone if event and event.site in sites else "UTC",
        "labels": reviews.known_labels(connection),
        "last": reviews.latest_review(connection, who),
        "precisions": reviews.precisions(connection, queue.species),
    }
