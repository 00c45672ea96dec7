"""Finds the row because of which a batch is refused, or because of which the connection ends again and again.

A suspected batch is sent alone, then its halves, and at last single rows. The finder outlives connections: a broker may
end the connection at a message that it does not accept (mosquitto's `message_size_limit` does so).
"""

from collections import Counter, deque
from collections.abc import Sequence

MAX_LOST_CONNECTIONS = 2
"""After so many connections that ended with a batch in flight, the batch is sent alone."""

MAX_REFUSALS = 3
"""After so many refusals a single row is rejected."""

Seqs = Sequence[int]


class PoisonRowFinder:
    """The batches to send alone, and the rows that were found."""

    def __init__(self) -> None:
        self.groups: deque[Seqs] = deque()
        """Batches that wait to be sent alone, one by one."""
        self.testing: Seqs = ()
        """The batch that is sent alone now."""
        self.rejected: dict[int, str] = {}
        """Rows to move to the dead letters, with the reason."""
        self.dead_letter_quota = 0
        """The number of rows that may become dead letters before another row must be delivered."""
        self._lost_connections: Counter[int] = Counter()
        self._refusals: Counter[int] = Counter()

    @property
    def is_searching(self) -> bool:
        """Whether batches must be sent alone."""
        return bool(self.groups or self.testing)

    def next_group(self) -> Seqs:
        """Remove and return the batch to send alone next."""
        self.testing = self.groups.popleft()
        return self.testing

    def connection_lost(self, in_flight: Sequence[Seqs], reason: str) -> None:
        """Count a connection that ended with these batches in flight."""
        if self.testing:
            for seqs in in_flight:  # it is one batch
                self.refused(seqs, reason)
            self.testing = ()  # Also if the batch was never sent: then it is sent like any other.
            return
        for seqs in in_flight:
            self._lost_connections[seqs[0]] += 1
            if self._lost_connections[seqs[0]] >= MAX_LOST_CONNECTIONS:
                self.groups.append(seqs)

    def passed(self, seqs: Seqs) -> None:
        """Clear a batch: the broker has it, or none of its rows waits any more."""
        self._lost_connections.pop(seqs[0], None)
        self.testing = ()

    def refused(self, seqs: Seqs, reason: str) -> None:
        """Divide a refused batch in halves; reject a single row after some refusals."""
        self.testing = ()
        if len(seqs) > 1:
            half = len(seqs) // 2
            self.groups.extend((seqs[:half], seqs[half:]))
            return
        self._refusals[seqs[0]] += 1
        if self._refusals[seqs[0]] < MAX_REFUSALS:
            self.groups.append(seqs)
        else:
            self.rejected[seqs[0]] = reason

    def reject(self, seq: int, reason: str) -> None:
        """Reject a row without a further attempt."""
        self.passed([seq])
        self.rejected[seq] = reason

    def pop_rejected(self) -> tuple[int, str]:
        """Remove and return the row that was rejected first, with the reason."""
        seq = next(iter(self.rejected))
        return seq, self.rejected.pop(seq)
