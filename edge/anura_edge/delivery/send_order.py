"""The order in which rows are sent over one connection: requested rows, then new rows, then the backlog."""

from collections import deque
from collections.abc import Callable, Collection, Sequence

from anura_edge.delivery.actions import HeadRead, ReadHead, ReadPending, ReadRows, RowSource, RowsRead
from anura_edge.wire import QueuedRow

MAX_BATCH_ROWS = 200
"""About 20 kB compressed. Larger batches save little, and a lost one costs more."""

NEWEST_EVENTS = 20
"""Events that are sent before the backlog when a connection begins: tonight's calls before last week's."""


class SendQueue:
    """Names the rows to read next, and holds those that were read. It does not record which rows were sent."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start again: rows that wait now are the backlog, and rows that are written from now on are new."""
        self._head_seq: int | None = None
        self._new_after_seq = self._backlog_after_seq = 0
        self._has_read_new = False
        self._requested: deque[Collection[int]] = deque()
        self._batches: deque[Sequence[QueuedRow]] = deque()

    def request(self, seqs: Collection[int]) -> None:
        """Send rows before all others, in separate batches."""
        self._requested.append(seqs)

    def put_back(self, rows: Sequence[QueuedRow]) -> None:
        """Send rows of one topic next, after all."""
        self._batches.appendleft(rows)

    def next_batch(self, may_send: Callable[[QueuedRow], bool]) -> Sequence[QueuedRow]:
        """Remove and return the next rows of one topic that may be sent; empty if rows must be read first."""
        while self._batches:
            if rows := [row for row in self._batches.popleft() if may_send(row)]:
                return rows
        return ()

    def expect_new(self) -> None:
        """Read new rows again: some may have been written."""
        self._has_read_new = False

    def next_read(self, *, with_backlog: bool) -> ReadHead | ReadRows | ReadPending | None:
        """Return what to read next, or None if no row is left to send."""
        if self._head_seq is None:
            return ReadHead(NEWEST_EVENTS)
        if self._requested:
            return ReadRows(RowSource.REQUESTED, self._requested.popleft())
        if not self._has_read_new:
            return ReadPending(RowSource.NEW, self._new_after_seq, MAX_BATCH_ROWS)
        if with_backlog and self._backlog_after_seq < self._head_seq:
            return ReadPending(RowSource.BACKLOG, self._backlog_after_seq, MAX_BATCH_ROWS)
        return None

    def set_head(self, head: HeadRead) -> None:
        """Divide the backlog from the new rows, and request the newest events."""
        self._head_seq = self._new_after_seq = head.head_seq
        self._requested.append(head.newest_events)

    def add(self, read: RowsRead) -> None:
        """Add rows that were read."""
        rows = read.rows
        if read.request.source is RowSource.NEW:
            self._has_read_new = not rows
            self._new_after_seq = rows[-1].seq if rows else self._new_after_seq
        elif read.request.source is RowSource.BACKLOG:
            head_seq = self._head_seq or 0
            rows = [row for row in rows if row.seq <= head_seq]
            self._backlog_after_seq = rows[-1].seq if rows else head_seq
            self.expect_new()
        self._batches.extend(_by_topic(rows))


def _by_topic(rows: Sequence[QueuedRow]) -> Collection[Sequence[QueuedRow]]:
    """Group rows by topic. Two kinds in turn would make batches of one row, which compress badly."""
    groups: dict[str, list[QueuedRow]] = {}
    for row in rows:
        groups.setdefault(row.topic, []).append(row)
    return groups.values()
