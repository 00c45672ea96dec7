"""The explorer: what the model makes of a call's clip, or of a recording that a visitor sends, which is not kept."""

import asyncio
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from markupsafe import Markup
from sqlalchemy import Connection, Row, select
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, StreamingResponse

from anura_base.access.roles import Role
from anura_base.clips import blobs
from anura_base.clips.tables import ClipState, clips
from anura_base.config.settings import ExploreSettings
from anura_base.db.schema import events
from anura_base.web.auth import Reviewer, Viewer, csrf_token
from anura_base.web.layout import Frame
from anura_edge.errors import AnuraError
from anura_edge.explore.page import content, head
from anura_edge.explore.upload import MAX_BYTES, Upload, status_of

if TYPE_CHECKING:  # at work it is loaded when it is wanted first: ONNX Runtime takes memory that ingest may need
    from anura_edge.explore.analysis import Analysis, Explorer

LONGEST_S = 900.0
"""The station has other work; `anura-edge explore` takes longer recordings, where they lie."""

RECEIVE_S = 300.0
"""Who sends for longer gives the place to others."""

MAX_CLIPS = 200
"""To choose from; any other is reached from its call."""

_CLIPS = (
    select(clips, events.c.scientific_name, events.c.label, events.c.start_utc)
    .join(events, events.c.id == clips.c.event_id)
    .where(clips.c.state == ClipState.HERE)
)

_SEND = 2**20

Seconds = Annotated[float | None, Query(gt=0, le=3_600, allow_inf_nan=False)]


def routes(frame: Frame, settings: ExploreSettings) -> APIRouter:
    """Return the page and what its script asks for.

    Who may view may see the page. To have a recording heard takes a reviewer: it costs the station's processor.
    """
    router = APIRouter()
    model = _Model(settings)

    @router.get("/explore", response_class=HTMLResponse)
    def page(request: Request, viewer: Viewer) -> HTMLResponse:  # noqa: ARG001
        root = request.scope.get("root_path", "")
        parts = {"head": head(root), "content": content(root, csrf_token(request))}
        # They are our own files, and what is put into them is escaped.
        return frame.page(request, "explore.html", **{name: Markup(part) for name, part in parts.items()})  # noqa: S704

    @router.get("/explore/recordings")
    def about(viewer: Viewer) -> dict[str, Any]:
        may = viewer.role.allows(Role.REVIEW)
        refusal = None if may else "To have recordings heard, ask an admin of this base station for the role “review”."
        with frame.engine.connect() as connection:
            known = _latest(connection)
        return {"recordings": known, "begin": None, "max_bytes": MAX_BYTES, "refusal": refusal}

    @router.post("/explore/hear", response_class=StreamingResponse)
    async def hear(
        request: Request,
        reviewer: Reviewer,  # noqa: ARG001
        name: Annotated[str, Query(max_length=300)] = "",
        recording: UUID | None = None,
        window_s: Seconds = None,
        hop_s: Seconds = None,
    ) -> StreamingResponse:
        try:
            explorer = await run_in_threadpool(model.explorer)
            with explorer.slot(), Upload(f"{recording}.flac" if recording else name) as upload:
                known = upload.name
                if recording:
                    known, flac = await run_in_threadpool(_clip, frame, recording)
                    upload.write(flac)
                else:
                    await _receive(request, upload)
                hearing = await run_in_threadpool(explorer.analyse, upload.path, known, window_s, hop_s)
        except AnuraError as error:
            raise HTTPException(status_of(error), str(error)) from error
        return StreamingResponse(_pieces(hearing), media_type="application/octet-stream")

    return router


def _latest(connection: Connection) -> list[dict[str, str]]:
    """Return the clips that came last, by the id of their call."""
    rows = connection.execute(_CLIPS.order_by(clips.c.changed_utc.desc()).limit(MAX_CLIPS))
    return [{"id": str(row.event_id), "name": _name(row)} for row in rows]


def _clip(frame: Frame, event_id: UUID) -> tuple[str, bytes]:
    """Return a clip's name for people, and its file.

    Raises HTTPException (404) if there is none.
    """
    with frame.engine.connect() as connection:
        row = connection.execute(_CLIPS.where(clips.c.event_id == event_id)).one_or_none()
        if row is None:
            raise HTTPException(404, f"there is no clip of the call {event_id} here; ask for it on the page Review")
        return _name(row), blobs.read_file(connection, row)


def _name(row: Row[Any]) -> str:
    return f"{row.start_utc:%Y-%m-%d %H:%M:%S} UTC, {row.site}/{row.device}: {row.scientific_name or row.label}"


class _Model:
    """The explorer, once it was wanted. Threads may share it."""

    def __init__(self, settings: ExploreSettings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._explorer: Explorer | None = None

    def explorer(self) -> "Explorer":
        """Return it, loaded.

        Raises ModelError.
        """
        from anura_edge.explore.analysis import load_explorer

        with self._lock:
            if self._explorer is None:
                self._explorer = load_explorer(self._settings.bundle, LONGEST_S)
            return self._explorer


async def _receive(request: Request, upload: Upload) -> None:
    try:
        async with asyncio.timeout(RECEIVE_S):
            async for piece in request.stream():
                upload.write(piece)
    except TimeoutError as error:
        raise HTTPException(408, f"not here within {RECEIVE_S:.0f} s; send a shorter recording, or FLAC") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the recording broke off while it was sent") from error


def _pieces(hearing: "Analysis") -> Iterator[bytes]:
    for part in hearing.parts():
        for first in range(0, len(part), _SEND):
            yield bytes(part[first : first + _SEND])
