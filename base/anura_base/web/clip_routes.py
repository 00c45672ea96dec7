"""Clips for browsers and programs: what became of one, its audio, its picture, and how to ask for one.

Who may view may listen, too: what came was asked for, or sent because its device's settings say so. To ask takes a
reviewer, since it costs the link and the device's battery.
"""

import re
from collections import OrderedDict
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection, Engine, Row, delete

from anura_base.analysis.reviews import find_event
from anura_base.clips import blobs, transfer
from anura_base.clips.decode import decode
from anura_base.clips.spectrogram import spectrogram_png
from anura_base.clips.tables import ClipState, clips
from anura_base.clips.view import ClipView, clip_view
from anura_base.db.engine import write_transaction
from anura_base.web.auth import Admin, Reviewer, Viewer
from anura_base.web.problems import MEDIA_TYPE
from anura_edge.errors import DeliveryError, UnreadableError

MAX_PICTURES = 64
"""Kept ready, of 100 kB each."""

_PROBLEM: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_ABSENT: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such call, or no such clip.", **_PROBLEM}}
_BUSY: dict[int | str, dict[str, Any]] = {409: {"description": "Too many are on their way.", **_PROBLEM}}

# A browser may keep what it was shown, but asks each time whether it still may show it.
_PRIVATE = "private, no-cache"


def clip_routes(engine: Engine) -> APIRouter:
    """Return the routes of clips."""
    router = APIRouter(prefix="/api/events/{event_id}", tags=["clips"])
    pictures = _Pictures()

    @router.get("/clip", responses=_ABSENT)
    def read_clip(_viewer: Viewer, event_id: UUID) -> ClipView:
        """Say what became of a call's clip."""
        with engine.connect() as connection:
            return clip_view(_clip(connection, event_id), _event(connection, event_id))

    @router.post("/clip", status_code=202, responses={**_ABSENT, **_BUSY})
    def ask_for_clip(reviewer: Reviewer, event_id: UUID) -> ClipView:
        """Ask the device for a call's clip; nothing is asked that is here or on its way."""
        with write_transaction(engine) as connection:
            ask(connection, event_id, reviewer.name)
            return clip_view(_clip(connection, event_id), _event(connection, event_id))

    @router.delete("/clip", status_code=204, responses=_ABSENT)
    def remove_clip(_admin: Admin, event_id: UUID) -> None:
        """Forget a call's clip, as when a person speaks in it. Its device keeps its own, until it needs the room."""
        with write_transaction(engine) as connection:
            connection.execute(delete(clips).where(clips.c.number == _clip(connection, event_id).number))
            blobs.delete_orphans(connection)

    @router.get("/clip.flac", response_class=Response, responses={**_ABSENT, **_media("audio/flac", partial=True)})
    def play_clip(_viewer: Viewer, request: Request, event_id: UUID) -> Response:
        """Return a call's audio as FLAC; one range of it, if that is asked for."""
        with engine.connect() as connection:
            clip = _here(connection, event_id)
            return _unchanged(request, clip) or _ranged(request, blobs.read_file(connection, clip), _headers(clip))

    @router.get("/spectrogram.png", response_class=Response, responses={**_ABSENT, **_media("image/png")})
    def show_clip(_viewer: Viewer, request: Request, event_id: UUID) -> Response:
        """Return a call's spectrogram: time over all of the clip, frequency up to 12 kHz or half its rate."""
        with engine.connect() as connection:
            clip = _here(connection, event_id)
            if same := _unchanged(request, clip):
                return same
            flac = blobs.read_file(connection, clip)
        try:
            png = pictures.of(clip.sha256, flac)
        except UnreadableError as error:
            raise HTTPException(404, str(error)) from error
        return Response(png, media_type="image/png", headers=_headers(clip))

    return router


def ask(connection: Connection, event_id: UUID, by: str) -> None:
    """Ask for a call's clip.

    Raises HTTPException if there is no such call, or too much is on its way.
    """
    try:
        transfer.request_clip(connection, _event(connection, event_id), by, datetime.now(UTC))
    except DeliveryError as error:
        raise HTTPException(409, str(error)) from error


class _Pictures:
    """Spectrograms that were drawn lately, by the hash of their audio. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._drawn: OrderedDict[str, bytes] = OrderedDict()

    def of(self, sha256: str, flac: bytes) -> bytes:
        with self._lock:  # one at a time: each takes up to 200 MB for a moment
            if sha256 not in self._drawn:
                self._drawn[sha256] = spectrogram_png(*decode(flac))
            self._drawn.move_to_end(sha256)
            if len(self._drawn) > MAX_PICTURES:
                self._drawn.popitem(last=False)
            return self._drawn[sha256]


def _event(connection: Connection, event_id: UUID) -> Row[Any]:
    if event := find_event(connection, event_id):
        return event
    raise HTTPException(404, f"there is no call {event_id}; its device may have taken it back")


def _clip(connection: Connection, event_id: UUID) -> Row[Any]:
    if clip := transfer.find(connection, event_id):
        return clip
    raise HTTPException(404, f"nobody has asked for a clip of the call {event_id}; POST here to do so")


def _here(connection: Connection, event_id: UUID) -> Row[Any]:
    _event(connection, event_id)
    clip = _clip(connection, event_id)
    if clip.state != ClipState.HERE:
        raise HTTPException(404, f"the clip is not here: {clip.state}{f', {clip.detail}' if clip.detail else ''}")
    return clip


def _headers(clip: Row[Any]) -> dict[str, str]:
    return {"ETag": f'"{clip.sha256}"', "Cache-Control": _PRIVATE}


def _unchanged(request: Request, clip: Row[Any]) -> Response | None:
    headers = _headers(clip)
    is_same = headers["ETag"] in request.headers.get("if-none-match", "") and "range" not in request.headers
    return Response(status_code=304, headers=headers) if is_same else None


def _ranged(request: Request, data: bytes, headers: dict[str, str]) -> Response:
    """Answer with the bytes that a player asks for, which else cannot seek (RFC 9110, section 14)."""
    headers["Accept-Ranges"] = "bytes"
    asked = re.fullmatch(r"bytes=(\d{1,15})-(\d{0,15})", request.headers.get("range", ""))
    if not asked or int(asked[1]) >= len(data):  # a server may answer any other range with all of it
        return Response(data, media_type="audio/flac", headers=headers)
    first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, media_type="audio/flac", headers=headers)


def _media(media_type: str, *, partial: bool = False) -> dict[int | str, dict[str, Any]]:
    content = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "All of it.", **content},
        304: {"description": "It is what you have."},
    }
    return {**found, 206: {"description": "A range of it.", **content}} if partial else found
