"""Writes results to the journal, counts them, and passes new rows on to the delivery and to the output."""

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from threading import RLock
from uuid import uuid4

from anura_edge.detection.ledger import PipelineOutput
from anura_edge.errors import JournalFullError, UnreadableError
from anura_edge.events import Effort, EffortState, Notice, NoticeKind, unreadable_id
from anura_edge.sources.files.scan import FoundFile
from anura_edge.store.journal import Journal
from anura_edge.store.run_summary import RunSummary
from anura_edge.store.scan_history import AnalysedFile
from anura_edge.store.write_queue import PendingWrite, WriteQueue
from anura_edge.wire import MAX_TEXT, EventRow, Provenance

log = logging.getLogger(__name__)


class ResultWriter:
    """Writes and counts results. While the disk is full they wait in memory. Threads may share it."""

    def __init__(
        self,
        journal: Journal,
        provenance: Provenance,
        on_event: Callable[[EventRow], None],
        on_commit: Callable[[], None],
    ) -> None:
        """`on_event` gets each new event, and `on_commit` is called after each transaction."""
        self.journal, self.provenance = journal, provenance
        self._on_event, self._on_commit = on_event, on_commit
        self.summary = RunSummary()
        self.is_full = False
        """Whether the disk was full at the last attempt."""
        self._lock = RLock()
        self._queue = WriteQueue()
        self._open_efforts: tuple[Effort, ...] = ()
        """Effort of the microphone's current hour."""

    def seconds(self, state: EffortState) -> float:
        """Return the seconds of audio of this run in a state, the microphone's current hour included."""
        open_s = sum(effort.seconds for effort in self._open_efforts if effort.state == state)
        return self.summary.seconds.get(state, 0.0) + open_s

    @property
    def gaps(self) -> int:
        """Pieces of audio that were dropped in this run, the microphone's current hour included."""
        return self.summary.gaps + sum(effort.state == EffortState.DROPPED for effort in self._open_efforts)

    def write(
        self, results: Iterable[PipelineOutput], done: AnalysedFile | None = None, notices: Iterable[Notice] = ()
    ) -> None:
        """Commit results, and perhaps mark a file as done, in one transaction.

        While the disk is full they wait in memory until `retry` or `close`.
        """
        with self._lock:
            write = PendingWrite(tuple(results), done, tuple(notices))
            if write.rows or done or not self.is_full:  # Progress alone does not wait: newer progress replaces it.
                self._queue.append(write)
            self.retry()

    def write_notice(self, notice: Notice) -> None:
        """Commit a notice about the device."""
        self.write([], notices=[notice])

    def write_unreadable(self, file: FoundFile, error: UnreadableError) -> None:
        """Record that a file could not be analysed, and why. Log it the first time."""
        notice = Notice(
            id=unreadable_id(self.journal.id, file.name, file.size, file.mtime_ns, error.reason),
            what=NoticeKind.UNREADABLE,
            utc=datetime.now(UTC),
            detail=f"{error.reason}: {file.name}"[:MAX_TEXT],
            amount=file.size,
        )
        try:
            values = file.name, file.size, file.mtime_ns, error.reason, str(error)
            is_new = self.journal.add_unreadable(*values, notice, self.provenance)
        except JournalFullError:
            return  # the next scan finds it again
        self.summary.add_unreadable(error.reason, is_new=is_new)
        if is_new:
            log.warning("%s: %s", error.reason, error)
            self._on_commit()

    def leave_for_next_scan(self, reason: str, detail: str, count: int = 1) -> None:
        """Log and count files or folders that wait for another scan."""
        self.summary.add_left(reason, count)
        log.warning("%s: %s", reason, detail)

    def retry(self) -> None:
        """Commit what waits, the oldest first."""
        with self._lock:
            try:
                while write := self._queue.oldest:
                    self._commit(write)
                    self._queue.pop_oldest()
            except JournalFullError as error:
                if not self.is_full:
                    log.warning("%s; until then results wait in memory", error)
                self.is_full = True
                self.summary.remove_unsaved(self._queue.drop_oldest())
            else:
                self.is_full = False
                self._report_dropped()

    def close(self) -> None:
        """Commit what waits, or log that it is lost."""
        self.retry()
        if rows := self._queue.rows:
            log.error("the disk is full: %d rows are lost; the next scan analyses their files again", rows)
        self.summary.remove_unsaved(self._queue.files)

    def _commit(self, write: PendingWrite) -> None:
        rows = self.journal.commit(
            write.events, write.efforts, self.provenance, write.done, write.notices, write.progress
        )
        if write.progress is not None:
            self._open_efforts = write.progress
        self._on_commit()
        self.summary.add_rows(rows)
        for row in rows:
            if isinstance(row, EventRow):
                self._on_event(row)

    def _report_dropped(self) -> None:
        if count := self._queue.dropped_rows:
            self._queue.dropped_rows = 0
            detail = f"the disk was full: {count} rows did not fit into memory either"
            self.write_notice(Notice(uuid4(), NoticeKind.ROWS_DROPPED, datetime.now(UTC), detail, amount=count))
