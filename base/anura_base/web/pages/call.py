"""The page of one call: its audio, its verdict, what other people said, and the calls around it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException
from sqlalchemy import Connection, Row
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from anura_base.access.roles import Role
from anura_base.analysis import opinions, reviews
from anura_base.clips.view import clip_views, spectrogram_layout
from anura_base.config.settings import Site
from anura_base.db.engine import write_transaction
from anura_base.exchange.call_search import calls_around, find_call, reference_calls
from anura_base.web.api.clips import request_clip
from anura_base.web.auth.visitor import NEEDS_VIEWER, Reviewer, Viewer
from anura_base.web.layout import page
from anura_base.web.pages.judging import store_review
from anura_base.web.state import ConfiguredSites, Database, sorted_sites
from anura_base.web.templating import root_of
from anura_edge.audio import ClockSource
from anura_edge.events import Verdict
from anura_edge.nights import night_date

AROUND = 5
"""Calls before and after this one on its page."""

REFERENCES = 2
"""Confirmed calls of the species on the page."""

router = APIRouter(prefix="/calls/{event_id}", dependencies=[NEEDS_VIEWER])


@router.get("", response_class=HTMLResponse)
def call_page(
    request: Request, viewer: Viewer, engine: Database, configured_sites: ConfiguredSites, event_id: UUID
) -> HTMLResponse:
    """Show a call. Its address does not change, so people can send it to each other."""
    with engine.connect() as connection:
        event = _find(connection, event_id)
        sites = sorted_sites(connection, configured_sites)
        values = _read(connection, event)
    site = sites.get(event.site, Site())
    time_known = event.clock_source != ClockSource.UNKNOWN
    values |= {
        "event": event,
        "sites": sites,
        "zone": site.zone,
        "evening": night_date(event.start_utc, site) if time_known else None,
        "may_review": viewer.role.allows(Role.REVIEW),
        "is_local": request.app.state.requests_clips,
    }
    return page(request, "call.html", **values)


@router.post("/review")
def review_call(
    request: Request,
    reviewer: Reviewer,
    engine: Database,
    event_id: UUID,
    verdict: Annotated[Verdict, Form()],
    label: Annotated[str, Form(max_length=600)] = "",
) -> RedirectResponse:
    """Store a review of the call, and show the call."""
    with write_transaction(engine) as connection:
        _find(connection, event_id)
        store_review(connection, event_id, reviewer.name, verdict, label)
    return _to_call(request, event_id)


@router.post("/clip")
def request_clip_of_call(request: Request, reviewer: Reviewer, engine: Database, event_id: UUID) -> RedirectResponse:
    """Request the clip of the call from its device."""
    with write_transaction(engine) as connection:
        request_clip(connection, event_id, reviewer.name)
    return _to_call(request, event_id)


def _find(connection: Connection, event_id: UUID) -> Row[Any]:
    found = find_call(connection, event_id)
    if found is None:
        raise HTTPException(404, f"there is no call {event_id}; its device may have withdrawn it")
    return found


def _read(connection: Connection, event: Row[Any]) -> dict[str, Any]:
    before, after = calls_around(connection, event, AROUND)
    clip = clip_views(connection, [event]).get(event.id)
    similar = reference_calls(connection, event, REFERENCES)
    clips = clip_views(connection, similar)
    return {
        "before": before,
        "after": after,
        "clip": clip,
        "spectrogram": clip and spectrogram_layout(clip),
        "references": [(call, clips[call.id], spectrogram_layout(clips[call.id])) for call in similar],
        "labels": reviews.known_labels(connection),
        "history": opinions.reviews_of(connection, event.id),
    }


def _to_call(request: Request, event_id: UUID) -> RedirectResponse:
    return RedirectResponse(f"{root_of(request)}/calls/{event_id}", 303)
