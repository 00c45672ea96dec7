"""Measure how long rows wait in the outbox."""

import time
from collections import deque
from collections.abc import Callable

MAX_CHECKS = 7 * 24 * 60
"""One check a minute for a week. A row that has waited longer is reported as a week."""


class BacklogAge:
    """Estimates the waiting time of the oldest pending row from regular checks of the sequence numbers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._checks: deque[tuple[int, float]] = deque(maxlen=MAX_CHECKS)
        """For each check: all rows below this sequence number existed at this time."""

    def age_s(self, floor: int, pending: int) -> float | None:
        """Return how long row `floor`, the oldest of `pending` rows, has waited at least; None if no row waits."""
        now, next_seq = self._clock(), floor + pending
        if not self._checks or next_seq > self._checks[-1][0]:
            self._checks.append((next_seq, now))
        while self._checks and self._checks[0][0] <= floor:
            self._checks.popleft()
        return now - self._checks[0][1] if self._checks else None
