"""Exports for programs: they leave as they are read from the database."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from anura_base.access.guard import Viewer
from anura_base.exchange.export import EXPORTS, export
from anura_base.exchange.rows import Piece
from anura_base.pages.frame import Frame
from anura_edge.errors import ConfigError

Form = StrEnum("Form", [(name.replace("-", "_").upper(), name) for name in EXPORTS])  # type: ignore[misc]

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

    @router.get("/exports/{form}", response_class=StreamingResponse, responses=_ANSWERS)
    def read_export(_viewer: Viewer, form: Form) -> StreamingResponse:
        """Return all calls, or all effort, as `anura-base export` does."""
        this = EXPORTS[form.value]
        pieces = export(frame.engine, form.value, frame.known)
        try:
            first = next(pieces)
        except ConfigError as error:
            raise HTTPException(422, str(error)) from error
        named = {"Content-Disposition": f'attachment; filename="anura-{form.value}.{this.suffix}"'}
        return StreamingResponse(_bytes(first, pieces), media_type=this.media_type, headers=named)

    return router


def _bytes(first: Piece, others: Iterator[Piece]) -> Iterator[bytes]:
    yield first.data
    for piece in others:
        yield piece.data
