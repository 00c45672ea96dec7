"""Keeps what was heard: first in the journal, then on its way to the base station and in front of people."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from anura_edge.audio import Recording
from anura_edge.errors import UnreadableError
from anura_edge.events import EffortState, Notice, NoticeKind, unreadable_id
from anura_edge.journal import Journal
from anura_edge.pipeline import Heard
from anura_edge.sources.folder import FoundFile
from anura_edge.wire import MAX_TEXT, EffortRow, EventRow, Provenance

log = logging.getLogger(__name__)

Number = TypeVar("Number", int, float)


@dataclass(slots=True)
class Summary:
    """What a run did."""

    new: int = 0
    """Recordings analysed."""
    known: int = 0
    """Recordings that this model had analysed before."""
    unreadable: dict[str, int] = field(default_factory=dict)
    """New files that could not be analysed, by reason."""
    known_unreadable: int = 0
    """Files that could not be analysed before, and cannot now."""
    left: dict[str, int] = field(default_factory=dict)
    """Files and folders left for another scan, by why."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Audio by what became of it."""
    gaps: int = 0
    """Pieces of audio that were dropped."""
    events: dict[str, int] = field(default_factory=dict)
    """New events by scientific name."""
    elapsed_s: float = 0.0
    """Time spent on recordings."""
    pending: int = 0
    """Rows that nobody has acknowledged yet."""
    problem: str | None = None
    """Why they wait."""

    @property
    def is_complete(self) -> bool:
        """Every recording was heard to its end, now or before."""
        return not (self.unreadable or self.known_unreadable or self.left)

    @property
    def times_real_time(self) -> float:
        """Seconds of audio analysed per second of work."""
        return self.seconds.get(EffortState.ANALYSED, 0.0) / self.elapsed_s if self.elapsed_s else 0.0


class Keeper:
    """Takes in what was heard, and counts it."""

    def __init__(
        self, journal: Journal, made_by: Provenance, on_event: Callable[[EventRow], None], wake: Callable[[], None]
    ) -> None:
        """`wake` is called when there are new rows to deliver."""
        self.journal, self.made_by = journal, made_by
        self._on_event, self._wake = on_event, wake
        self.summary = Summary()

    def has(self, recording: str) -> bool:
        """Say whether our model has analysed this recording to its end."""
        return self.journal.has_recording(recording, self.made_by.model_sha256)

    def keep(self, heard: Iterable[Heard], done: Recording | None = None, notices: Iterable[Notice] = ()) -> None:
        """Commit what was heard, and perhaps that a recording is done, in one transaction."""
        parts = [*heard]
        events = [event for part in parts for event in part.events]
        efforts = [effort for part in parts for effort in part.efforts]
        rows = self.journal.commit(events, efforts, self.made_by, done, notices)
        self._wake()
        for row in rows:
            if isinstance(row, EventRow):
                _add(self.summary.events, row.scientific_name, 1)
                self._on_event(row)
            elif isinstance(row, EffortRow):
                _add(self.summary.seconds, row.state, row.samples / row.rate_hz)
                self.summary.gaps += row.state == EffortState.DROPPED

    def notice(self, notice: Notice) -> None:
        """Commit something that happened to the device."""
        self.keep([], notices=[notice])

    def set_aside(self, file: FoundFile, error: UnreadableError) -> None:
        """Note that a file could not be analysed, and why; say so the first time."""
        notice = Notice(
            id=unreadable_id(file.name, file.size, file.mtime_ns, error.reason),
            what=NoticeKind.UNREADABLE,
            utc=datetime.now(UTC),
            detail=f"{error.reason}: {file.name}"[:MAX_TEXT],
            amount=file.size,
        )
        if self.journal.set_aside(file.name, file.size, file.mtime_ns, error.reason, str(error), notice, self.made_by):
            _add(self.summary.unreadable, error.reason, 1)
            log.warning("%s: %s", error.reason, error)
            self._wake()
        else:
            self.summary.known_unreadable += 1

    def leave(self, reason: str, detail: str, count: int = 1) -> None:
        """Note that files or folders are left for another scan; they are neither heard nor given up."""
        _add(self.summary.left, reason, count)
        log.warning("%s: %s", reason, detail)


def _add(counts: dict[str, Number], key: str, amount: Number) -> None:
    counts[key] = counts.get(key, 0) + amount
