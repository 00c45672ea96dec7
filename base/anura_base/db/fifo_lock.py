"""A lock that threads get in the order of their requests: no thread waits longer than one turn of each other thread."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class FifoLock:
    """First come, first served. A `threading.Lock` goes to any of the waiting threads, so one of them can starve."""

    def __init__(self) -> None:
        self._mutex = Lock()
        self._waiting: deque[Lock] = deque()
        self._taken = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock, hold it, and release it at the end."""
        self._acquire()
        try:
            yield
        finally:
            self._release()

    def _acquire(self) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()  # blocks until `_release` of the thread before

    def _release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()  # the lock stays taken, so a new thread cannot overtake
            else:
                self._taken = False
