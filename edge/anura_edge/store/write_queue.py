"""Results that wait in memory while the disk is full. Pure: it writes nothing."""

from collections import deque
from dataclasses import dataclass

from anura_edge.detection.ledger import PipelineOutput
from anura_edge.events import Effort, Event, Notice, NoticeKind
from anura_edge.store.scan_history import AnalysedFile

MAX_WAITING_ROWS = 20_000
"""About 30 MB of memory, and the events of many nights."""


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """The content of one transaction."""

    results: tuple[PipelineOutput, ...]
    done: AnalysedFile | None
    notices: tuple[Notice, ...]

    @property
    def events(self) -> list[Event]:
        """All events, in order."""
        return [event for result in self.results for event in result.events]

    @property
    def efforts(self) -> list[Effort]:
        """All effort, in order."""
        return [effort for result in self.results for effort in result.efforts]

    @property
    def progress(self) -> tuple[Effort, ...] | None:
        """The effort that still grows, or None if it has not changed."""
        return self.results[-1].progress if self.results else None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(len(result.events) + len(result.efforts) for result in self.results) + len(self.notices)

    @property
    def sets_clock(self) -> bool:
        """Whether it corrects the times of rows that were committed before."""
        return any(notice.what == NoticeKind.CLOCK_KNOWN for notice in self.notices)


class WriteQueue:
    """Pending writes in their order. Not thread-safe: `ResultWriter` has a lock."""

    def __init__(self) -> None:
        self._writes: deque[PendingWrite] = deque()
        self.dropped_rows = 0
        """Rows of a microphone that were dropped for lack of memory and are not reported yet."""

    def __len__(self) -> int:
        return len(self._writes)

    @property
    def rows(self) -> int:
        """Number of rows that wait."""
        return sum(write.rows for write in self._writes)

    @property
    def files(self) -> int:
        """Number of analysed files that wait."""
        return sum(write.done is not None for write in self._writes)

    @property
    def oldest(self) -> PendingWrite | None:
        """The write to commit next."""
        return self._writes[0] if self._writes else None

    def append(self, write: PendingWrite) -> None:
        """Add a write at the end."""
        self._writes.append(write)

    def pop_oldest(self) -> None:
        """Remove the write that was committed."""
        self._writes.popleft()

    def drop_oldest(self) -> int:
        """Drop the oldest writes until the rest is small enough. Return the number of files among them.

        A file is not marked as done then, so the next scan analyses it again. The rows of a microphone are lost, and
        counted in `dropped_rows`.
        """
        spared, files = [], 0
        while self.rows > MAX_WAITING_ROWS:
            write = self._writes.popleft()
            if write.sets_clock:  # Other rows need it: without it a whole night may have no time.
                spared.append(write)
                continue
            self.dropped_rows += 0 if write.done else write.rows
            files += write.done is not None
        self._writes.extendleft(reversed(spared))
        return files
