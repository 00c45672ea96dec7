"""A lock that threads get in the order in which they asked: none waits for more than one turn of each other."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class FifoLock:
    """Whoever asks is next after those who asked before; `threading.Lock` goes to whoever is quickest."""

    def __init__(self) -> None:
        self._changes = Lock()
        self._waiting: deque[Lock] = deque()
        self._taken = False

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for a turn, and give it on at the end."""
        self._take()
        try:
            yield
        finally:
            self._give_on()

    def _take(self) -> None:
        with self._changes:
            if not self._taken:
                self._taken = True
                return
            called = Lock()
            called.acquire()
            self._waiting.append(called)
        called.acquire()

    def _give_on(self) -> None:
        with self._changes:
            if self._waiting:
                self._waiting.popleft().release()  # it stays taken: who asks just now is behind
            else:
                self._taken = False
