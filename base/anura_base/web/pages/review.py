"""The page Review: a queue of calls without a review."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from sqlalchemy import Connection, Engine, Row
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.analysis import opinions, reviews
from anura_base.analysis.known_nights import list_species
from anura_base.analysis.precision import estimate_precision
from anura_base.analysis.review_goals import list_goals
from anura_base.analysis.reviews import ReviewOrder
from anura_base.clips import transfer
from anura_base.clips.view import clip_views, spectrogram_layout
from anura_base.config.settings import Site
from anura_base.db.engine import write_transaction
from anura_base.web.api.clips import request_clip
from anura_base.web.auth.visitor import NEEDS_VIEWER, Reviewer, Viewer
from anura_base.web.layout import page
from anura_base.web.pages.judging import store_review
from anura_base.web.pages.review_holds import ReviewHolds
from anura_base.web.state import ConfiguredSites, Database, from_state, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.events import Verdict

MAX_SKIPPED = 50

CLIPS_AHEAD = 10
"""Calls whose clips are requested before they are shown, where the audio is at hand."""

ORDERS = {"random": "random", "highest": "highest first", "lowest": "lowest first"}


class ReviewQueue:
    """The filters of the queue in the address of the page."""

    def __init__(
        self,
        species: Annotated[str, Query(max_length=600)] = "",
        site: Annotated[str, Query(max_length=64)] = "",
        order: ReviewOrder = ReviewOrder.RANDOM,
        second: bool = False,
        event: UUID | None = None,
        skip: Annotated[list[UUID] | None, Query()] = None,
    ) -> None:
        self.species, self.site, self.order = species, site, order
        self.second = second
        """Whether calls are shown that others have judged."""
        self.event = event
        self.skip = (skip or [])[-MAX_SKIPPED:]

    def address(self, **more: object) -> str:
        """Return the address of the page with these filters and more parameters."""
        parameters = {"species": self.species, "site": self.site, "order": self.order.value, **more}
        if self.second:
            parameters["second"] = "true"
        return "review?" + urlencode({key: value for key, value in parameters.items() if value}, doseq=True)

    def address_with_skipped(self, **more: object) -> str:
        """Return the address of the page with these filters, the skipped calls and more parameters."""
        return self.address(skip=[str(each) for each in self.skip], **more)


QueueFilters = Annotated[ReviewQueue, Depends()]

Holds = Annotated[ReviewHolds, from_state("review_holds")]

router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/review", response_class=HTMLResponse)
def review_page(
    request: Request,
    viewer: Viewer,
    engine: Database,
    configured_sites: ConfiguredSites,
    queue: QueueFilters,
    holds: Holds,
) -> HTMLResponse:
    """Show the next call of the queue that is not shown to another person now."""
    if request.app.state.requests_clips and viewer.role.allows(Role.REVIEW):
        _request_next_clips(engine, queue, viewer.name)
    with engine.connect() as connection:
        values = _read(connection, sorted_sites(connection, configured_sites), queue, viewer.name, holds)
    may_review, is_local = viewer.role.allows(Role.REVIEW), request.app.state.requests_clips
    if may_review and values["event"]:
        holds.hold(viewer.name, values["event"].id)
    return page(request, "review.html", queue=queue, may_review=may_review, is_local=is_local, **values)


@router.post("/review/undo")
def undo(request: Request, reviewer: Reviewer, engine: Database, queue: QueueFilters) -> RedirectResponse:
    """Undo the last review of the visitor."""
    with write_transaction(engine) as connection:
        last = reviews.latest_review(connection, reviewer.name)
        if last is None:
            raise HTTPException(409, f"{reviewer.name} has no review to undo")
        reviews.add_review(connection, last.event_id, reviewer.name, Verdict.UNDONE)
    return _redirect(request, queue.address(event=last.event_id))


@router.post("/review/{event_id}")
def review(
    request: Request,
    reviewer: Reviewer,
    engine: Database,
    queue: QueueFilters,
    holds: Holds,
    event_id: UUID,
    verdict: Annotated[Verdict, Form()],
    label: Annotated[str, Form(max_length=600)] = "",
) -> RedirectResponse:
    """Store a review and show the next call."""
    with write_transaction(engine) as connection:
        event = _find_event(connection, event_id)
        queue.species = queue.species or event.scientific_name or event.label
        drawn_from = _drawn_from(connection, queue, event_id, holds.of_others(reviewer.name))
        store_review(connection, event_id, reviewer.name, verdict, label, drawn_from)
    return _redirect(request, queue.address_with_skipped())


@router.post("/review/{event_id}/clip")
def request_clip_of_call(
    request: Request, reviewer: Reviewer, engine: Database, queue: QueueFilters, event_id: UUID
) -> RedirectResponse:
    """Request the clip of a call from its device."""
    with write_transaction(engine) as connection:
        request_clip(connection, event_id, reviewer.name)
    return _redirect(request, queue.address_with_skipped(event=event_id))


def _request_next_clips(engine: Engine, queue: ReviewQueue, reviewer: str) -> None:
    """Request the clips of the next calls of the queue that have not been requested yet."""
    with engine.connect() as connection:
        species = queue.species or next(iter(list_species(connection, rejected=True)), "")
        shown = [reviews.find_event(connection, queue.event)] if queue.event else []
        coming = reviews.next_events(connection, species, queue.site, queue.order, queue.skip, CLIPS_AHEAD)
        wanted = [event for event in (*shown, *coming) if event and not transfer.find(connection, event.id)]
    if wanted:
        with write_transaction(engine) as connection:
            for event in wanted:
                transfer.request_clip(connection, event, reviewer, datetime.now(UTC))


def _redirect(request: Request, address: str) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/{address}", 303)


def _find_event(connection: Connection, event_id: UUID) -> Row[Any]:
    found = reviews.find_event(connection, event_id)
    if found is None:
        raise HTTPException(404, f"there is no call {event_id}; its device may have withdrawn it")
    return found


def _drawn_from(connection: Connection, queue: ReviewQueue, event_id: UUID, held: Sequence[UUID]) -> str | None:
    """Return the site from which a call was drawn at random, None if it was found in another way.

    `held` are the calls that other people look at.
    """
    if queue.order is not ReviewOrder.RANDOM or queue.second:
        return None
    drawn = reviews.next_event(connection, queue.species, queue.site, queue.order, [*queue.skip, *held])
    return queue.site if drawn and drawn.id == event_id else None


def _select_event(
    connection: Connection, queue: ReviewQueue, all_species: Sequence[str], reviewer: str, holds: ReviewHolds
) -> Row[Any] | None:
    """Return the call to show. The filters of the queue become those of the call, if the address names one."""
    if queue.event is None:
        queue.species = queue.species or (all_species[0] if all_species else "")
        if queue.second:
            return opinions.next_for_second_opinion(connection, queue.species, queue.site, reviewer, queue.skip)
        skip = [*queue.skip, *holds.of_others(reviewer)]
        return reviews.next_event(connection, queue.species, queue.site, queue.order, skip)
    event = _find_event(connection, queue.event)
    queue.species = event.scientific_name or event.label
    queue.site = queue.site if queue.site == event.site else ""
    return event


def _read(
    connection: Connection, sites: dict[str, Site], queue: ReviewQueue, reviewer: str, holds: ReviewHolds
) -> dict[str, Any]:
    species = list_species(connection, rejected=True)
    event = _select_event(connection, queue, species, reviewer, holds)
    clip = clip_views(connection, [event]).get(event.id) if event else None
    return {
        "clip": clip,
        "spectrogram": clip and spectrogram_layout(clip),
        "all_species": species,
        "all_sites": sites,
        "orders": ORDERS,
        "event": event,
        "zone": sites[event.site].zone if event and event.site in sites else "UTC",
        "labels": reviews.known_labels(connection),
        "goals": [goal for goal in list_goals(connection) if goal.person == reviewer],
        "last": reviews.latest_review(connection, reviewer),
        "agreement": opinions.agreement(connection, queue.species, queue.site),
        "estimate": estimate_precision(connection, queue.species, queue.site),
    }
