"""Finds the row because of which a batch is refused, or because of which the connection ends again and again.

A suspected batch is sent alone, then its halves, and at last single rows. A single row that was refused waits until
another row of its topic is acknowledged, and is then sent again. Only such refusals count, because a receiver that
accepts no row has a fault of its own. If several rows of a topic wait and none is acknowledged, the whole topic pauses.

The finder outlives connections: a broker may end the connection at a message that it does not accept (mosquitto's
`message_size_limit` does so).
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_LOST_CONNECTIONS = 2
"""After so many connections that ended with a batch in flight, the batch is sent alone."""

MAX_REFUSALS = 2
"""After so many refusals a single row is rejected. Between two of them another row of its topic was acknowledged."""

MAX_LOST_ALONE = 3
"""The same for connections that ended with only this row in flight: they may have ended by chance."""

MAX_WAITING_ROWS = 3
"""Refused rows of one topic, none acknowledged in between, after which the topic pauses."""

Seqs = Sequence[int]


@dataclass(slots=True)
class RefusedRow:
    """A single row that was refused."""

    topic: str
    reason: str
    refusals: int = 0
    """The refusals that count."""
    is_waiting: bool = True
    """It is not sent now."""
    other_acknowledged: bool = True
    """Another row of its topic was acknowledged since the last refusal."""


class PoisonRowFinder:
    """The batches to send alone, and the rows that were found."""

    def __init__(self) -> None:
        self.groups: deque[Seqs] = deque()
        """Batches that wait to be sent alone, one by one."""
        self.testing: Seqs = ()
        """The batch that is sent alone now."""
        self.refused_rows: dict[int, RefusedRow] = {}
        self._lost_connections: Counter[int] = Counter()

    @property
    def is_searching(self) -> bool:
        """Whether batches must be sent alone."""
        return bool(self.groups or self.testing)

    def is_waiting(self, seq: int) -> bool:
        """Return whether a row may not be sent now."""
        return seq in self.refused_rows and self.refused_rows[seq].is_waiting

    def next_group(self) -> Seqs:
        """Remove and return the batch to send alone next."""
        self.testing = self.groups.popleft()
        return self.testing

    def connection_lost(self, in_flight: Sequence[tuple[str, Seqs]], reason: str) -> Iterable[tuple[int, str]]:
        """Count a connection that ended with these batches, of a topic each, in flight. Return the rows to reject."""
        rejected: list[tuple[int, str]] = []
        if self.testing:
            for topic, seqs in in_flight:  # it is one batch
                rejected += self.refused(topic, seqs, reason, MAX_LOST_ALONE)
            self.testing = ()  # Also if the batch was never sent: then it is sent like any other.
            return rejected
        for _, seqs in in_flight:
            self._lost_connections[seqs[0]] += 1
            if self._lost_connections[seqs[0]] >= MAX_LOST_CONNECTIONS:
                self.groups.append(seqs)
        return rejected

    def passed(self, seqs: Seqs) -> None:
        """Clear a batch: the broker has it, or none of its rows waits any more."""
        self._lost_connections.pop(seqs[0], None)
        self.testing = ()

    def refused(
        self, topic: str, seqs: Seqs, reason: str, max_refusals: int = MAX_REFUSALS
    ) -> Iterable[tuple[int, str]]:
        """Divide a refused batch in halves. Return a single row, with the reason, after its last refusal."""
        self.testing = ()
        if len(seqs) > 1:
            half = len(seqs) // 2
            self.groups.extend((seqs[:half], seqs[half:]))
            return []
        row = self.refused_rows.setdefault(seqs[0], RefusedRow(topic, reason))
        row.refusals += row.other_acknowledged
        row.reason, row.is_waiting, row.other_acknowledged = reason, True, False
        if row.refusals < max_refusals:
            return []
        del self.refused_rows[seqs[0]]
        return [(seqs[0], reason)]

    def acknowledged(self, topic: str, seqs: Iterable[int]) -> None:
        """Send the refused rows of a topic again, each alone: others of the topic were acknowledged."""
        for seq in seqs:
            self.refused_rows.pop(seq, None)
        for row in self._of_topic(topic):
            row.other_acknowledged = True
        self._retry(topic)

    def retry_all(self) -> None:
        """Send all refused rows again, each alone. A refusal does not count then."""
        for topic in {row.topic for row in self.refused_rows.values()}:
            self._retry(topic)

    def give_up(self, topic: str) -> bool:
        """Forget the refused rows of a topic if they are too many. Return whether they were: then the topic pauses."""
        waiting = [row for row in self._of_topic(topic) if row.is_waiting and not row.other_acknowledged]
        if len(waiting) <= MAX_WAITING_ROWS:
            return False
        self.refused_rows = {seq: row for seq, row in self.refused_rows.items() if row.topic != topic}
        self.groups.clear()
        return True

    def _of_topic(self, topic: str) -> list[RefusedRow]:
        return [row for row in self.refused_rows.values() if row.topic == topic]

    def _retry(self, topic: str) -> None:
        for seq, row in self.refused_rows.items():
            if row.topic == topic and row.is_waiting:
                row.is_waiting = False
                self.groups.append([seq])
