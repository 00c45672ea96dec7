"""Exports for programs. They are sent while they are read from the database."""

from collections.abc import Iterator
from enum import StrEnum
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from anura_base.exchange.export import EXPORTS, export
from anura_base.exchange.rows import FilePart
from anura_base.web.api.paging import ConfirmedOnly
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.state import ConfiguredSites, Database, from_state
from anura_edge.errors import ConfigError

Form = StrEnum("Form", [(name.replace("-", "_").upper(), name) for name in EXPORTS])  # type: ignore[misc]

MAX_CONCURRENT = 2
"""Each export uses a database connection until its reader has finished, and the ingest needs one, too."""

_FILE = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {each.media_type.partition(";")[0]: _FILE for each in EXPORTS.values()},
    }
}

router = APIRouter(prefix="/api", tags=["exports"], dependencies=[NEEDS_VIEWER])


@router.get("/exports/{form}", response_class=StreamingResponse, responses=_RESPONSES)
def read_export(
    form: Form,
    engine: Database,
    configured_sites: ConfiguredSites,
    slots: Annotated[BoundedSemaphore, from_state("export_slots")],
    confirmed: ConfirmedOnly = False,
) -> StreamingResponse:
    """Return all events or all effort in a format, as `anura-base export` writes it."""
    this = EXPORTS[form.value]
    parts = _hold_slot(export(engine, form.value, configured_sites, confirmed=confirmed), slots)
    try:
        first = next(parts)  # an error shows here, while the status can still be set
    except ConfigError as error:
        raise HTTPException(422, str(error)) from error
    headers = {"Content-Disposition": f'attachment; filename="anura-{form.value}.{this.suffix}"'}
    return StreamingResponse(_bytes(first, parts), media_type=this.media_type, headers=headers)


def _hold_slot(parts: Iterator[FilePart], slots: BoundedSemaphore) -> Iterator[FilePart]:
    if not slots.acquire(blocking=False):
        raise HTTPException(503, f"{MAX_CONCURRENT} exports are running; try again when one has finished")
    try:
        yield from parts
    finally:
        slots.release()


def _bytes(first: FilePart, others: Iterator[FilePart]) -> Iterator[bytes]:
    yield first.data
    for part in others:
        yield part.data
