"""Exports for programs. They are written to a temporary file at full speed, and sent from it meanwhile."""

import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from enum import StrEnum
from itertools import chain
from tempfile import gettempdir
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from anura_base.exchange.call_filter import VerdictFilter
from anura_base.exchange.export import EXPORTS, export
from anura_base.exchange.spool import Spool
from anura_base.web.api.paging import ConfirmedOnly
from anura_base.web.auth.visitor import NEEDS_VIEWER
from anura_base.web.call_filters import CallFiltersInAddress
from anura_base.web.state import ConfiguredSites, Database, from_state
from anura_edge.errors import ConfigError
from anura_edge.results.formats.parts import FilePart

Form = StrEnum("Form", [(name.replace("-", "_").upper(), name) for name in EXPORTS])  # type: ignore[misc]

MAX_RUNNING = 2
"""Exports that read the database at the same time. Others wait for their turn; the ingest has to work, too."""

MAX_OPEN = 16
"""Exports that run, wait, or are still being sent. Each may need as much disk as its file has bytes."""

RETRY_AFTER_S = "60"


class ExportJobs:
    """Limits the exports of an application."""

    def __init__(self) -> None:
        self.running = BoundedSemaphore(MAX_RUNNING)
        self.open = BoundedSemaphore(MAX_OPEN)


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
    jobs: Annotated[ExportJobs, from_state("exports")],
    filters: CallFiltersInAddress,
    confirmed: ConfirmedOnly = False,
) -> StreamingResponse:
    """Return all effort, or the events that are selected, in a format as `anura-base export` writes it."""
    this = EXPORTS[form.value]
    calls = filters.to_filter(VerdictFilter.CONFIRMED if confirmed else VerdictFilter.ANY)
    data = _start(export(engine, form.value, configured_sites, calls), jobs)
    try:
        first = next(data, b"")  # an error shows here, while the status can still be set
    except ConfigError as error:
        raise HTTPException(422, str(error)) from error
    headers = {"Content-Disposition": f'attachment; filename="anura-{form.value}.{this.suffix}"'}
    return _ClosingResponse(data, chain([first], data), media_type=this.media_type, headers=headers)


class _ClosingResponse(StreamingResponse):
    """Closes the export when the answer ends, also if it ends before the first byte."""

    def __init__(self, source: Generator[bytes, None, None], content: Iterator[bytes], **options: Any) -> None:  # noqa: ANN401
        super().__init__(content, **options)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with suppress(ValueError):  # a thread still waits for its next part, and closes it then
                self._source.close()


def _start(parts: Iterator[FilePart], jobs: ExportJobs) -> Generator[bytes, None, None]:
    """Begin to write an export into a temporary file. Return an iterator that reads it."""
    if not jobs.open.acquire(blocking=False):
        raise HTTPException(
            503, f"{MAX_OPEN} exports are open; try again later", headers={"Retry-After": RETRY_AFTER_S}
        )
    try:
        spool = Spool()
    except OSError as error:
        jobs.open.release()
        raise HTTPException(503, f"there is no room for the export in {gettempdir()}: {error}") from error

    def write() -> None:
        with jobs.running:
            spool.fill(part.data for part in parts)

    def read() -> Generator[bytes, None, None]:
        try:
            yield from spool.read()
        finally:
            jobs.open.release()

    # A daemon, because the base station does not wait for an export when it ends.
    threading.Thread(target=write, daemon=True, name="export").start()
    return read()
