"""Hears from the operating system that something below a folder may have changed: hints, none of them certain."""

import select
import time
from pathlib import Path
from threading import Event
from typing import IO

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

_SIGNS = frozenset({"created", "moved", "deleted", "closed"})
"""Not `modified`, which a growing file sends without end, and not what our own reading sends."""


class ChangeEvents(FileSystemEventHandler):
    """Says that a file came, went, or was closed by who wrote it."""

    def __init__(self, root: Path) -> None:
        self._changed = Event()
        self._observer = Observer()
        self._root = root

    def __enter__(self) -> "ChangeEvents":
        try:
            self._observer.schedule(self, str(self._root), recursive=True)
            self._observer.start()
        except OSError:
            pass  # no such folder yet, or no inotify left: the scans do it alone
        return self

    def __exit__(self, *_: object) -> None:
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note that something changed."""
        if event.event_type in _SIGNS:
            self._changed.set()

    def clear(self) -> None:
        """Forget what was heard before the scan that comes now."""
        self._changed.clear()

    def wait(self, least_s: float, most_s: float, stop: Event) -> None:
        """Wait for a change, but not less and not more than some time, or for the stop."""
        if stop.wait(least_s):
            return
        deadline = time.monotonic() + most_s - least_s
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set() and not self._changed.is_set():
            stop.wait(min(left, 0.25))


class MountTable:
    """Says that a folder may be another one than before, though its path and its files' names are the same.

    Two recorders on one schedule write files of the same names, sizes and times, and their cards go into one slot.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._identity = self._identify()
        self._table: IO[bytes] | None = None
        self._poll = select.poll()

    def __enter__(self) -> "MountTable":
        try:
            self._table = Path("/proc/self/mounts").open("rb")
        except OSError:  # not Linux: the folder's own identity must do
            return self
        self._poll.register(self._table, select.POLLPRI)
        self._poll.poll(0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._table:
            self._table.close()

    def has_changed(self) -> bool:
        """Say whether anything was mounted or unmounted since the last time, or the folder was replaced."""
        before, self._identity = self._identity, self._identify()
        # Linux marks its table as exceptional once after each change: proc_pid_mounts(5).
        return bool(self._table and self._poll.poll(0)) or self._identity != before

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = self._root.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
