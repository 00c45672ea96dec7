"""Finds the row that is at fault when a batch is refused, or when the connection ends at it again and again.

A suspected batch is sent alone, then its halves, at last single rows. It outlives connections: a broker may hang up at
a message that it does not like (mosquitto's `message_size_limit` ends so).
"""

from collections import Counter, deque
from collections.abc import Sequence

MAX_HANG_UPS = 2
"""So often the connection may end while a batch is on its way before the batch is sent alone."""

MAX_TRIES = 3
"""So often a single row is refused before it is set aside."""

Seqs = Sequence[int]


class PoisonRowFinder:
    """What is to be sent alone, and what was found."""

    def __init__(self) -> None:
        self.groups: deque[Seqs] = deque()
        """To be sent one by one, each alone."""
        self.testing: Seqs = ()
        """What is on its way alone."""
        self.rejected: dict[int, str] = {}
        """Rows that are refused, and why."""
        self.dead_letter_quota = 0
        """So many rows may be set aside before another must be delivered."""
        self._hang_ups: Counter[int] = Counter()
        self._tries: Counter[int] = Counter()

    @property
    def careful(self) -> bool:
        """Whether batches must travel alone."""
        return bool(self.groups or self.testing)

    def next(self) -> Seqs:
        """Return what to send alone next."""
        self.testing = self.groups.popleft()
        return self.testing

    def hung_up(self, in_flight: Sequence[Seqs], reason: str) -> None:
        """Note that the connection ended while these were on their way."""
        if self.testing:
            for seqs in in_flight:  # there is one
                self.refused(seqs, reason)
            self.testing = ()  # also if it never left: then it is sent like any other
            return
        for seqs in in_flight:
            self._hang_ups[seqs[0]] += 1
            if self._hang_ups[seqs[0]] >= MAX_HANG_UPS:
                self.groups.append(seqs)

    def taken(self, seqs: Seqs) -> None:
        """Note that a batch arrived at the broker."""
        self._hang_ups.pop(seqs[0], None)
        self.testing = ()

    def refused(self, seqs: Seqs, reason: str) -> None:
        """Note that a batch was refused: look at its halves, or find its only row guilty after some tries."""
        self.testing = ()
        if len(seqs) > 1:
            half = len(seqs) // 2
            self.groups.extend((seqs[:half], seqs[half:]))
            return
        self._tries[seqs[0]] += 1
        if self._tries[seqs[0]] < MAX_TRIES:
            self.groups.append(seqs)
        else:
            self.rejected[seqs[0]] = reason
