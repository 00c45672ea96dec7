"""The page Explore: the model's scores for a clip, or for a recording that a visitor uploads.

An uploaded recording is deleted after its analysis.
"""

import asyncio
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from markupsafe import Markup
from sqlalchemy import Connection, Engine, Row, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, StreamingResponse

from anura_base.access.roles import Role
from anura_base.analysis.verdicts import COUNTED_SPECIES, IS_VERDICT_OF_EVENT, reviews
from anura_base.clips import blobs
from anura_base.clips.tables import ClipState, clips
from anura_base.config.settings import ExploreSettings
from anura_base.db.schema import events
from anura_base.web.auth.visitor import NEEDS_VIEWER, Reviewer, Viewer, csrf_token
from anura_base.web.layout import page
from anura_base.web.state import Database, from_state
from anura_base.web.templating import root_of
from anura_edge.audio import ClockSource
from anura_edge.errors import AnuraError
from anura_edge.explore.page import content, head
from anura_edge.explore.upload import MAX_BYTES, Upload, status_of

if TYPE_CHECKING:  # imported at the first use, because ONNX Runtime needs memory that the ingest may need
    from anura_edge.explore.analysis import Analysis, Explorer

MAX_DURATION_S = 900.0
"""The base station has other work. `anura-edge explore` on another computer accepts longer recordings."""

MAX_UPLOAD_S = 300.0
"""A slower upload is stopped, because it blocks other visitors."""

UPLOAD_PATH = "/explore/hear"
"""The only path that accepts a large body. `Upload` limits its size, and MAX_UPLOAD_S its duration."""

MAX_CLIPS = 200
"""Number of clips in the list. Older clips are reached from their calls."""

_CLIPS = (
    select(clips, COUNTED_SPECIES.label("species"), reviews.c.verdict, events.c.start_utc, events.c.clock_source)
    .select_from(clips.join(events, events.c.id == clips.c.event_id).outerjoin(reviews, IS_VERDICT_OF_EVENT))
    .where(clips.c.state == ClipState.HERE)
)

_SEND_BYTES = 2**20

Seconds = Annotated[float | None, Query(gt=0, le=3_600, allow_inf_nan=False)]


class ExplorerLoader:
    """Loads the model at its first use. Threads may share it."""

    def __init__(self, settings: ExploreSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._explorer: Explorer | None = None

    def load(self) -> "Explorer":
        """Return the explorer.

        Raises ModelError if the bundle cannot be loaded.
        """
        from anura_edge.explore.analysis import load_explorer

        with self._lock:
            if self._explorer is None:
                self._explorer = load_explorer(self._settings.bundle, MAX_DURATION_S)
            return self._explorer


router = APIRouter(dependencies=[NEEDS_VIEWER])


@router.get("/explore", response_class=HTMLResponse)
def explore_page(
    request: Request,
    recording: Annotated[str, Query(max_length=64)] = "",  # noqa: ARG001 (the script of the page reads it)
) -> HTMLResponse:
    """Show the explorer, with the clip of an event if `recording` is its id."""
    root = root_of(request)
    parts = {"head": head(root), "content": content(root, csrf_token(request))}
    # These are files of the package, and the inserted values are escaped.
    return page(request, "explore.html", **{name: Markup(part) for name, part in parts.items()})  # noqa: S704


@router.get("/explore/recordings")
def recordings(viewer: Viewer, engine: Database) -> dict[str, Any]:
    """Return the latest clips, and whether the visitor may start an analysis."""
    may_analyse = viewer.role.allows(Role.REVIEW)
    refusal = None if may_analyse else "To analyse recordings, ask an admin of this base station for the role “review”."
    with engine.connect() as connection:
        latest = _latest_clips(connection)
    return {"recordings": latest, "begin": None, "example": None, "max_bytes": MAX_BYTES, "refusal": refusal}


@router.post(UPLOAD_PATH, response_class=StreamingResponse)
async def analyse(
    request: Request,
    _reviewer: Reviewer,  # an analysis costs time of the processor
    engine: Database,
    loader: Annotated[ExplorerLoader, from_state("explorer")],
    name: Annotated[str, Query(max_length=300)] = "",
    recording: UUID | None = None,
    window_s: Seconds = None,
    hop_s: Seconds = None,
) -> StreamingResponse:
    """Analyse the clip of a call, or the recording in the request."""
    try:
        explorer = await run_in_threadpool(loader.load)
        with explorer.slot(), Upload(f"{recording}.flac" if recording else name) as upload:
            shown_name = upload.name
            if recording:
                shown_name, flac = await run_in_threadpool(_read_clip, engine, recording)
                upload.write(flac)
            else:
                await _receive(request, upload)
            analysis = await run_in_threadpool(explorer.analyse, upload.path, shown_name, window_s, hop_s)
    except AnuraError as error:
        raise HTTPException(status_of(error), str(error)) from error
    return StreamingResponse(_pieces(analysis), media_type="application/octet-stream")


def _latest_clips(connection: Connection) -> list[dict[str, str]]:
    """Return the clips that were stored last. The id is the one of the call."""
    rows = connection.execute(_CLIPS.order_by(clips.c.changed_utc.desc()).limit(MAX_CLIPS))
    return [{"id": str(row.event_id), "name": _clip_name(row)} for row in rows]


def _read_clip(engine: Engine, event_id: UUID) -> tuple[str, bytes]:
    """Return the displayed name and the file of a clip.

    Raises HTTPException (404) if the clip is not stored.
    """
    with engine.connect() as connection:
        row = connection.execute(_CLIPS.where(clips.c.event_id == event_id)).one_or_none()
        if row is None:
            raise HTTPException(404, f"there is no clip of the call {event_id}; request it on the page Review")
        return _clip_name(row), blobs.read_file(connection, row)


def _clip_name(row: Row[Any]) -> str:
    clock = "UTC" if row.clock_source != ClockSource.UNKNOWN else "by an unknown clock"
    verdict = f", {row.verdict}" if row.verdict else ""
    return f"{row.start_utc:%Y-%m-%d %H:%M:%S} {clock}, {row.site}/{row.device}: {row.species}{verdict}"


async def _receive(request: Request, upload: Upload) -> None:
    try:
        async with asyncio.timeout(MAX_UPLOAD_S):
            async for piece in request.stream():
                upload.write(piece)
    except TimeoutError as error:
        raise HTTPException(
            408, f"the upload took longer than {MAX_UPLOAD_S:.0f} s; send a shorter recording, or FLAC"
        ) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the connection was closed during the upload; send the recording again") from error


def _pieces(analysis: "Analysis") -> Iterator[bytes]:
    for part in analysis.parts():
        for first in range(0, len(part), _SEND_BYTES):
            yield bytes(part[first : first + _SEND_BYTES])
