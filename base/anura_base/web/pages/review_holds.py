"""Which call of the page Review is shown to whom, so that two people do not judge the same call at the same time."""

import time
from collections.abc import Callable
from threading import Lock
from uuid import UUID

HOLD_S = 600.0
"""After this time, a call is shown to other people, too: the person may have left."""


class ReviewHolds:
    """The call that each person looks at. It is in memory only; threads may share it."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s, self._lock = clock_s, Lock()
        self._held: dict[str, tuple[UUID, float]] = {}

    def of_others(self, person: str) -> list[UUID]:
        """Return the calls that other people look at."""
        with self._lock:
            now = self._clock_s()
            return [event for name, (event, until_s) in self._held.items() if name != person and until_s > now]

    def hold(self, person: str, event: UUID) -> None:
        """Note that a person looks at a call, in place of the one before."""
        with self._lock:
            now = self._clock_s()
            # People who have left are forgotten, so it does not grow.
            self._held = {name: held for name, held in self._held.items() if held[1] > now}
            self._held[person] = event, now + HOLD_S
