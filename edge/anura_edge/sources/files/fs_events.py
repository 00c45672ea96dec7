"""Watches a folder for changed files (inotify) and for a changed mount.

A change may be missed or reported without need, so periodic scans remain necessary.
"""

import select
import time
from pathlib import Path
from threading import Event
from typing import IO

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

_RELEVANT = frozenset({"created", "moved", "deleted", "closed"})
"""Without `modified`, which a growing file sends all the time, and without the events of reading."""


class ChangeEvents(FileSystemEventHandler):
    """Notices that a file was created, moved, deleted, or closed by its writer."""

    def __init__(self, root: Path) -> None:
        self._changed = Event()
        self._observer = Observer()
        self._root = root

    def __enter__(self) -> "ChangeEvents":
        try:
            self._observer.schedule(self, str(self._root), recursive=True)
            self._observer.start()
        except OSError:
            pass  # the folder does not exist yet, or inotify's limit is reached: periodic scans are enough
        return self

    def __exit__(self, *_: object) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Record a change; watchdog calls this."""
        if event.event_type in _RELEVANT:
            self._changed.set()

    def clear(self) -> None:
        """Discard earlier changes: the next scan finds them."""
        self._changed.clear()

    def wait(self, min_s: float, max_s: float, stop: Event) -> None:
        """Wait for a change or for `stop`, at least `min_s` and at most `max_s` seconds."""
        if stop.wait(min_s):
            return
        deadline = time.monotonic() + max_s - min_s
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set() and not self._changed.is_set():
            stop.wait(min(left, 0.25))


class MountTable:
    """Notices that a folder may have been replaced, although its path and the names of its files are the same.

    Two recorders with one schedule write files of equal names, sizes and times, and their cards are put into one slot.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._identity = self._identify()
        self._table: IO[bytes] | None = None
        self._poll = select.poll()

    def __enter__(self) -> "MountTable":
        try:
            self._table = Path("/proc/self/mounts").open("rb")
        except OSError:  # not Linux: only the identity of the folder is compared
            return self
        self._poll.register(self._table, select.POLLPRI)
        self._poll.poll(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._table:
            self._table.close()

    def has_changed(self) -> bool:
        """Return whether anything was mounted or unmounted since the last call, or the folder was replaced."""
        before, self._identity = self._identity, self._identify()
        # Linux marks its table as exceptional once after each change: proc_pid_mounts(5).
        return bool(self._table and self._poll.poll(0)) or self._identity != before

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
