"""Finds recordings below a folder, once or for as long as they keep coming."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from watchdog.events import DirModifiedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from anura_edge.config import Watch
from anura_edge.errors import SourceError
from anura_edge.wire import MAX_TEXT


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as a scan saw it."""

    path: Path
    name: str
    """Path below the scanned folder, for people."""
    size: int
    mtime_ns: int


OLD_S = 600
"""A file last changed this long ago is not being written any more, so it need not be watched for a while first."""


def scan(root: Path) -> Iterator[FoundFile]:
    """Yield every regular file below a folder in the order of names; links are not followed.

    Raises SourceError if the folder itself cannot be read; folders below that cannot are passed over.
    """
    if not root.is_dir():
        raise SourceError(f"no folder {root}; name the folder that holds the recordings, or mount the card")
    try:
        waiting = _listing(root)
    except OSError as error:
        raise SourceError(f"cannot read {root}: {error.strerror}") from error
    while waiting:  # not by recursion: a damaged card can hold folders deeper than Python's stack
        entry = waiting.pop()
        with suppress(OSError):  # not ours to read, or gone since the listing; the next scan tells
            if entry.is_dir(follow_symlinks=False):
                waiting += _listing(entry)
            elif not entry.is_symlink():
                status = entry.stat(follow_symlinks=False)
                path = Path(entry.path)
                yield FoundFile(path, printable(path.relative_to(root)), status.st_size, status.st_mtime_ns)


def _listing(folder: Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """Return what is in a folder as a stack: the first name is on top."""
    with os.scandir(folder) as listing:
        return sorted(listing, key=lambda entry: entry.name, reverse=True)


def printable(path: Path) -> str:
    """Return a path for people and rows: no control characters, readable if not UTF-8, the end of a very long one."""
    name = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)[-MAX_TEXT:]


def watch(
    root: Path, settings: Watch, stop: Event, beat: Callable[[float], None] = lambda _: None
) -> Iterator[FoundFile]:
    """Yield each file below a folder when it has stopped growing, and again when it has changed, until told to stop.

    The periodic scan is the truth; the operating system's events only make it come sooner, since network and FAT
    file systems send none and queues overflow. A card that is taken out is waited for. `beat` is called again and
    again, with how long it may take until the next time.
    """
    seen: dict[Path, tuple[int, int]] = {}
    settling: dict[Path, tuple[FoundFile, float]] = {}
    with _Hints(root) as hints:
        while not stop.is_set():
            hints.clear()
            for file in _scan_if_there(root):
                beat(0)
                if _is_ready(file, seen, settling, settings.settle_s):
                    yield file
                if stop.is_set():
                    return
            pause_s = settings.settle_s if settling else settings.interval_s
            beat(pause_s)
            hints.wait(pause_s, stop)


def _scan_if_there(root: Path) -> Iterator[FoundFile]:
    try:
        yield from scan(root)
    except SourceError:
        return


def _is_ready(
    file: FoundFile,
    seen: dict[Path, tuple[int, int]],
    settling: dict[Path, tuple[FoundFile, float]],
    settle_s: float,
) -> bool:
    if seen.get(file.path) == (file.size, file.mtime_ns):
        return False
    if time.time() - file.mtime_ns / 1e9 > OLD_S:
        settle_s = 0
    now = time.monotonic()
    before, since = settling.setdefault(file.path, (file, now))
    if before != file:
        settling[file.path] = (file, now)
        return False
    if now - since < settle_s:
        return False
    del settling[file.path]
    seen[file.path] = (file.size, file.mtime_ns)
    return True


class _Hints(FileSystemEventHandler):
    """Wakes the scanner when the operating system says that something changed."""

    def __init__(self, root: Path) -> None:
        self._changed = Event()
        self._observer = Observer()
        self._root = root

    def __enter__(self) -> "_Hints":
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
        """Note that something changed; our own reading does not count."""
        if event.event_type not in ("opened", "closed_no_write") and not isinstance(event, DirModifiedEvent):
            self._changed.set()

    def clear(self) -> None:
        """Forget what was heard before the scan that comes now."""
        self._changed.clear()

    def wait(self, seconds: float, stop: Event) -> None:
        """Wait for a change, for the time to be over, or for the stop."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not stop.is_set() and not self._changed.is_set():
            stop.wait(min(left, 0.25))
