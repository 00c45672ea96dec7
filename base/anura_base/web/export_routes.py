"""Exports for programs: they leave as they are read from the database."""

from collections.abc import Iterator
from enum import StrEnum
from threading import BoundedSemaphore
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from anura_base.exchange.export import EXPORTS, export
from anura_base.exchange.rows import FilePart
from anura_base.web.auth import Viewer
from anura_base.web.layout import Frame
from anura_edge.errors import ConfigError

Form = StrEnum("Form", [(name.replace("-", "_").upper(), name) for name in EXPORTS])  # type: ignore[misc]

MAX_AT_ONCE = 2
"""Each holds a connection to the database for as long as its reader takes, and the ingest needs one, too."""

_FILE = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {each.media_type.partition(";")[0]: _FILE for each in EXPORTS.values()},
    }
}


def export_routes(frame: Frame) -> APIRouter:
    """Return the route that gives all rows in a form of other programs."""
    router = APIRouter(prefix="/api", tags=["exports"])
    under_way = BoundedSemaphore(MAX_AT_ONCE)

    @router.get("/exports/{form}", response_class=StreamingResponse, responses=_ANSWERS)
    def read_export(_viewer: Viewer, form: Form) -> StreamingResponse:
        """Return all calls, or all effort, as `anura-base export` does."""
        this = EXPORTS[form.value]
        pieces = _in_turn(export(frame.engine, form.value, frame.known), under_way)
        try:
            first = next(pieces)  # what is wrong shows now, and from here on it is known to be over when it is
        except ConfigError as error:
            raise HTTPException(422, str(error)) from error
        named = {"Content-Disposition": f'attachment; filename="anura-{form.value}.{this.suffix}"'}
        return StreamingResponse(_bytes(first, pieces), media_type=this.media_type, headers=named)

    return router


def _in_turn(pieces: Iterator[FilePart], under_way: BoundedSemaphore) -> Iterator[FilePart]:
    if not under_way.acquire(blocking=False):
        raise HTTPException(503, f"{MAX_AT_ONCE} exports are under way; try again when one is over")
    try:
        yield from pieces
    finally:
        under_way.release()


def _bytes(first: FilePart, others: Iterator[FilePart]) -> Iterator[bytes]:
    yield first.data
    for piece in others:
        yield piece.data
