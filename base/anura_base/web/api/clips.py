"""Clips for browsers and programs: state, audio, spectrogram, and requests to devices.

A viewer may play a clip. A request needs a reviewer, because it costs the device's connection and battery.
"""

import re
from collections import OrderedDict
from datetime import UTC, datetime
from threading import Lock
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Connection, Row, delete

from anura_base.analysis.reviews import find_event
from anura_base.clips import blobs, transfer
from anura_base.clips.decode import decode
from anura_base.clips.tables import ClipState, clips
from anura_base.clips.view import ClipView, clip_view
from anura_base.db.engine import write_transaction
from anura_base.web.auth.visitor import NEEDS_VIEWER, Admin, Reviewer
from anura_base.web.problems import MEDIA_TYPE
from anura_base.web.state import Database, from_state
from anura_edge.errors import DeliveryError, UnreadableError
from anura_edge.results.spectrogram_png import spectrogram_png

MAX_SPECTROGRAMS = 64
"""Spectrograms in the cache, about 100 kB each."""

_PROBLEM: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
_Responses = dict[int | str, dict[str, Any]]
_NOT_FOUND: _Responses = {404: {"description": "There is no such call, or no such clip.", **_PROBLEM}}
_CONFLICT: _Responses = {409: {"description": "The device has too many unfinished clips.", **_PROBLEM}}

# A browser may cache a clip, but must ask each time whether the visitor may still play it.
_PRIVATE = "private, no-cache"


class SpectrogramCache:
    """The latest spectrograms, by the hash of their audio. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._images: OrderedDict[str, bytes] = OrderedDict()

    def get(self, sha256: str, flac: bytes) -> bytes:
        """Return the PNG of a clip.

        Raises UnreadableError if the clip cannot be decoded.
        """
        with self._lock:  # one at a time, because each needs up to 200 MB
            if sha256 not in self._images:
                self._images[sha256] = spectrogram_png(*decode(flac))
            self._images.move_to_end(sha256)
            if len(self._images) > MAX_SPECTROGRAMS:
                self._images.popitem(last=False)
            return self._images[sha256]


def _media(media_type: str, *, partial: bool = False) -> _Responses:
    content = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}
    responses: _Responses = {
        200: {"description": "The whole file.", **content},
        304: {"description": "The file has not changed."},
    }
    return {**responses, 206: {"description": "A range of the file.", **content}} if partial else responses


router = APIRouter(prefix="/api/events/{event_id}", tags=["clips"], dependencies=[NEEDS_VIEWER])


@router.get("/clip", responses=_NOT_FOUND)
def read_clip(engine: Database, event_id: UUID) -> ClipView:
    """Return the state of a call's clip."""
    with engine.connect() as connection:
        return clip_view(_clip(connection, event_id), _event(connection, event_id))


@router.post("/clip", status_code=202, responses={**_NOT_FOUND, **_CONFLICT})
def ask_for_clip(engine: Database, reviewer: Reviewer, event_id: UUID) -> ClipView:
    """Request a call's clip from its device, unless it is stored or already requested."""
    with write_transaction(engine) as connection:
        request_clip(connection, event_id, reviewer.name)
        return clip_view(_clip(connection, event_id), _event(connection, event_id))


@router.delete("/clip", status_code=204, responses=_NOT_FOUND)
def remove_clip(engine: Database, _admin: Admin, event_id: UUID) -> None:
    """Delete a call's clip, for example because a person speaks in it. The copy on the device stays for now."""
    with write_transaction(engine) as connection:
        connection.execute(delete(clips).where(clips.c.number == _clip(connection, event_id).number))
        blobs.delete_orphans(connection)


@router.get("/clip.flac", response_class=Response, responses={**_NOT_FOUND, **_media("audio/flac", partial=True)})
def play_clip(engine: Database, request: Request, event_id: UUID) -> Response:
    """Return a call's audio as FLAC, or one range of it."""
    with engine.connect() as connection:
        clip = _stored_clip(connection, event_id)
        return _not_modified(request, clip) or _ranged(request, blobs.read_file(connection, clip), _headers(clip))


@router.get("/spectrogram.png", response_class=Response, responses={**_NOT_FOUND, **_media("image/png")})
def show_clip(
    engine: Database,
    spectrograms: Annotated[SpectrogramCache, from_state("spectrograms")],
    request: Request,
    event_id: UUID,
) -> Response:
    """Return a call's spectrogram: the whole clip, up to 12 kHz or half its sampling rate."""
    with engine.connect() as connection:
        clip = _stored_clip(connection, event_id)
        if not_modified := _not_modified(request, clip):
            return not_modified
        flac = blobs.read_file(connection, clip)
    try:
        png = spectrograms.get(clip.sha256, flac)
    except UnreadableError as error:
        raise HTTPException(404, str(error)) from error
    return Response(png, media_type="image/png", headers=_headers(clip))


def request_clip(connection: Connection, event_id: UUID, by: str) -> None:
    """Request a call's clip.

    Raises HTTPException if there is no such call (404), or if the device has too many unfinished clips (409).
    """
    try:
        transfer.request_clip(connection, _event(connection, event_id), by, datetime.now(UTC))
    except DeliveryError as error:
        raise HTTPException(409, str(error)) from error


def _event(connection: Connection, event_id: UUID) -> Row[Any]:
    if event := find_event(connection, event_id):
        return event
    raise HTTPException(404, f"there is no call {event_id}; its device may have withdrawn it")


def _clip(connection: Connection, event_id: UUID) -> Row[Any]:
    if clip := transfer.find(connection, event_id):
        return clip
    raise HTTPException(404, f"no clip of the call {event_id} was requested; POST to this address requests it")


def _stored_clip(connection: Connection, event_id: UUID) -> Row[Any]:
    _event(connection, event_id)
    clip = _clip(connection, event_id)
    if clip.state != ClipState.HERE:
        raise HTTPException(404, f"the clip is not stored: {clip.state}{f', {clip.detail}' if clip.detail else ''}")
    return clip


def _headers(clip: Row[Any]) -> dict[str, str]:
    return {"ETag": f'"{clip.sha256}"', "Cache-Control": _PRIVATE}


def _not_modified(request: Request, clip: Row[Any]) -> Response | None:
    headers = _headers(clip)
    is_same = headers["ETag"] in request.headers.get("if-none-match", "") and "range" not in request.headers
    return Response(status_code=304, headers=headers) if is_same else None


def _ranged(request: Request, data: bytes, headers: dict[str, str]) -> Response:
    """Return the requested range (RFC 9110, section 14). Without ranges a player cannot seek."""
    headers["Accept-Ranges"] = "bytes"
    requested = re.fullmatch(r"bytes=(\d{1,15})-(\d{0,15})", request.headers.get("range", ""))
    if not requested or int(requested[1]) >= len(data):  # a server may answer other ranges with the whole file
        return Response(data, media_type="audio/flac", headers=headers)
    first, last = int(requested[1]), min(int(requested[2] or len(data)), len(data) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], 206, media_type="audio/flac", headers=headers)
