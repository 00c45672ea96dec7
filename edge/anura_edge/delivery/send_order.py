"""Which rows go next over one connection: what is asked for, then what is new, then the backlog, in order."""

from collections import deque
from collections.abc import Callable, Collection, Sequence

from anura_edge.store.outbox import Outbox
from anura_edge.wire import Row

MAX_BATCH_ROWS = 200
"""About 20 kB compressed: larger ones would save little, and a lost one would cost more."""

NEWEST_EVENTS = 20
"""So many events go before the backlog when a connection begins: what calls tonight before what called last week."""


class SendQueue:
    """The order of sending. It remembers where it is, not what was sent."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.rewind()

    def rewind(self) -> None:
        """Begin again: what waits now is the backlog, and what comes from now on is new."""
        self._head = self._new_to = self._outbox.head()
        self._backlog_to = 0
        self._ready: deque[Sequence[Row]] = deque()
        self._asked: deque[Collection[int]] = deque([self._outbox.newest_events(NEWEST_EVENTS)])

    def ask(self, seqs: Collection[int]) -> None:
        """Send rows before all others, in a batch of their own."""
        self._asked.append(seqs)

    def put_back(self, rows: Sequence[Row]) -> None:
        """Send rows of one kind next, after all."""
        self._ready.appendleft(rows)

    def next(self, may_go: Callable[[Row], bool], *, backlog: bool) -> Sequence[Row]:
        """Return the next rows of one kind, or none; leave those out that may not go, and perhaps the backlog."""
        while self._ready or self._fill(backlog=backlog):
            if rows := [row for row in self._ready.popleft() if may_go(row)]:
                return rows
        return []

    def _fill(self, *, backlog: bool) -> bool:
        if self._asked:
            rows = self._outbox.rows(self._asked.popleft())
        elif rows := self._outbox.pending(self._new_to, MAX_BATCH_ROWS):
            self._new_to = rows[-1].seq
        elif backlog and self._backlog_to < self._head:
            rows = [row for row in self._outbox.pending(self._backlog_to, MAX_BATCH_ROWS) if row.seq <= self._head]
            self._backlog_to = rows[-1].seq if rows else self._head
        else:
            return False
        # Two kinds that take turns would make batches of one row, which cannot be compressed.
        by_kind: dict[str, list[Row]] = {}
        for row in rows:
            by_kind.setdefault(row.kind, []).append(row)
        self._ready.extend(by_kind.values() or [[]])
        return True
