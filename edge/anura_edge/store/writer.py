"""Keeps what was heard: first in the journal, then on its way to the base station and in front of people."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock, RLock
from typing import TypeVar
from uuid import uuid4

from anura_edge.detection.pipeline import PipelineOutput
from anura_edge.errors import JournalFullError, UnreadableError
from anura_edge.events import Effort, EffortState, Notice, NoticeKind, unreadable_id
from anura_edge.sources.files.audio_file import AudioFile
from anura_edge.sources.files.scan import FoundFile
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile, PreviousAnalysis
from anura_edge.wire import MAX_TEXT, EffortRow, EventRow, Provenance

log = logging.getLogger(__name__)

Number = TypeVar("Number", int, float)


SEEN_AT_ONCE = 1_000
"""So many files that were known by content are noted in one transaction, to be known at a glance from then on."""


@dataclass(slots=True)
class RunSummary:
    """What a run did."""

    new: int = 0
    """Recordings analysed."""
    known: int = 0
    """Recordings that this model had analysed before."""
    other_settings: int = 0
    """Of these, analysed under other settings."""
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


MAX_WAITING_ROWS = 20_000
"""About 30 MB of memory, and many nights of calls, while the disk is full."""


@dataclass(frozen=True, slots=True)
class _Load:
    """What is to be committed at once."""

    heard: tuple[PipelineOutput, ...]
    done: AnalysedFile | None
    notices: tuple[Notice, ...]

    @property
    def rows(self) -> int:
        """How many rows it makes."""
        return sum(len(part.events) + len(part.efforts) for part in self.heard) + len(self.notices)

    @property
    def sets_clock(self) -> bool:
        """Whether it corrects the times of rows that were committed before."""
        return any(notice.what == NoticeKind.CLOCK_KNOWN for notice in self.notices)


class ResultWriter:
    """Takes in what was heard, and counts it. Threads may share it."""

    def __init__(
        self, journal: Journal, provenance: Provenance, on_event: Callable[[EventRow], None], wake: Callable[[], None]
    ) -> None:
        """`wake` is called when there are new rows to deliver."""
        self.journal, self.provenance = journal, provenance
        self._on_event, self._wake = on_event, wake
        self.summary = RunSummary()
        self._lock = RLock()
        self._counting = Lock()  # who looks at files, and who hears them; not the other, which waits for the disk
        self._waiting: deque[_Load] = deque()
        self._given_up = 0
        self._growing: tuple[Effort, ...] = ()
        self.is_full = False
        """Whether the journal took nothing the last time, for lack of room."""
        self._seen: dict[bytes, str] = {}

    def seconds(self, state: EffortState) -> float:
        """Return how much audio of this run is in a state, that of a microphone's hour that is not over included."""
        growing_s = sum(effort.seconds for effort in self._growing if effort.state == state)
        return self.summary.seconds.get(state, 0.0) + growing_s

    @property
    def gaps(self) -> int:
        """Pieces of audio that were dropped, those of a microphone's hour that is not over included."""
        return self.summary.gaps + sum(effort.state == EffortState.DROPPED for effort in self._growing)

    def find_by_fingerprint(self, seen: bytes) -> PreviousAnalysis | None:
        """Return how our model has heard a file that was seen before and has not changed, or None."""
        return self.journal.find_by_fingerprint(seen, self.provenance.model_sha256)

    def past(self, sound: AudioFile) -> PreviousAnalysis | None:
        """Return how our model has last heard this content, or the file of which it is a part or the whole, or None."""
        model = self.provenance.model_sha256
        past = self.journal.past(sound.recording.id, model)
        if not past and sound.has_content_id:
            past = self.journal.find_by_head(sound.content.head, model)
        return past

    def see(self, seen: bytes, recording: str) -> None:
        """Note, soon, which recording a file holds: without this the next scan only takes longer."""
        self._seen[seen] = recording
        if len(self._seen) >= SEEN_AT_ONCE:
            self.flush_seen()

    def flush_seen(self) -> None:
        """Note it now."""
        if self._seen:
            with suppress(JournalFullError):  # then they are looked at again
                self.journal.remember(self._seen)
            self._seen = {}

    def count_known(self, past: PreviousAnalysis) -> None:
        """Count a recording that was heard before."""
        with self._counting:
            self.summary.known += 1
            self.summary.other_settings += past.config_hash not in ("", self.provenance.config_hash)
            self.summary.known_unreadable += not past.is_whole

    def keep(
        self,
        heard: Iterable[PipelineOutput],
        done: AnalysedFile | None = None,
        notices: Iterable[Notice] = (),
    ) -> None:
        """Commit what was heard, and perhaps that a file is done, in one transaction.

        While the disk is full it waits in memory, for the next time or for the end.
        """
        with self._lock:
            load = _Load(tuple(heard), done, tuple(notices))
            if load.rows or done or not self.is_full:  # what only says how far we are is said again
                self._waiting.append(load)
            self.try_again()

    def try_again(self) -> None:
        """Commit what waits, the oldest first."""
        with self._lock:
            try:
                while self._waiting:
                    self._commit(self._waiting[0])
                    self._waiting.popleft()
            except JournalFullError as error:
                if not self.is_full:
                    log.warning("%s; until then what is heard waits in memory", error)
                self.is_full = True
                self._give_up_oldest()
            else:
                self.is_full = False
                self._say_given_up()

    def close(self) -> None:
        """Commit what waits, or say that it is lost."""
        self.try_again()
        if rows := sum(load.rows for load in self._waiting):
            log.error("the disk is full: %d rows are lost; files among them are heard again next time", rows)
        self._leave_unkept(sum(load.done is not None for load in self._waiting))

    def _give_up_oldest(self) -> None:
        """Keep the newest. A file is not noted as done then, so it is heard again; a microphone's rows are counted."""
        spared = []
        while sum(load.rows for load in self._waiting) > MAX_WAITING_ROWS:
            load = self._waiting.popleft()
            if load.sets_clock:  # it is about more than itself: a whole night may have no time without it
                spared.append(load)
                continue
            self._given_up += 0 if load.done else load.rows
            self._leave_unkept(load.done is not None)
        self._waiting.extendleft(reversed(spared))

    def _leave_unkept(self, files: int) -> None:
        if files:
            self.summary.new -= files
            _add(self.summary.left, "disk_full", files)

    def _say_given_up(self) -> None:
        if self._given_up:
            detail = f"the disk was full: {self._given_up} rows did not fit into memory either"
            notice = Notice(uuid4(), NoticeKind.ROWS_DROPPED, datetime.now(UTC), detail, amount=self._given_up)
            self._given_up = 0
            self.keep([], notices=[notice])

    def _commit(self, load: "_Load") -> None:
        events = [event for part in load.heard for event in part.events]
        efforts = [effort for part in load.heard for effort in part.efforts]
        progress = load.heard[-1].progress if load.heard else None
        rows = self.journal.commit(events, efforts, self.provenance, load.done, load.notices, progress)
        self._growing = self._growing if progress is None else progress
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
            id=unreadable_id(self.journal.id, file.name, file.size, file.mtime_ns, error.reason),
            what=NoticeKind.UNREADABLE,
            utc=datetime.now(UTC),
            detail=f"{error.reason}: {file.name}"[:MAX_TEXT],
            amount=file.size,
        )
        try:
            values = file.name, file.size, file.mtime_ns, error.reason, str(error)
            is_news = self.journal.set_aside(*values, notice, self.provenance)
        except JournalFullError:
            return  # the next scan finds it again
        if is_news:
            _add(self.summary.unreadable, error.reason, 1)
            log.warning("%s: %s", error.reason, error)
            self._wake()
        else:
            with self._counting:
                self.summary.known_unreadable += 1

    def leave(self, reason: str, detail: str, count: int = 1) -> None:
        """Note that files or folders are left for another scan; they are neither heard nor given up."""
        with self._lock:  # who finds files, and who hears them
            _add(self.summary.left, reason, count)
        log.warning("%s: %s", reason, detail)


def _add(counts: dict[str, Number], key: str, amount: Number) -> None:
    counts[key] = counts.get(key, 0) + amount
