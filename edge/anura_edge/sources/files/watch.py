"""Waits for recordings below a folder to be finished, once or for as long as they keep coming."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from anura_edge.config.operation import WatchSettings
from anura_edge.errors import SourceError
from anura_edge.sources.files.audio_file import is_complete
from anura_edge.sources.files.debounce import OLD_S, Debouncer, SeenFiles
from anura_edge.sources.files.fs_events import ChangeEvents, MountTable
from anura_edge.sources.files.scan import FoundFile, OnSkipped, ignore_skipped, scan

RETRY_SCANS = 20
"""A file whose reading was interrupted is tried again after so many intervals: at once, a failing card would be worn by
reading its bad places over and over. A card that was taken out and put back is tried again at once."""


class WatchedFolder:
    """A folder whose files are wanted when they are finished, and again when they have changed.

    A file that changed less than OLD_S ago may still be written. It is finished when its size and time stay the same
    between two looks, `settle_s` apart, and it holds what its header promises. An older one is taken as it is.
    """

    def __init__(
        self,
        root: Path,
        settings: WatchSettings,
        stop: Event,
        left: OnSkipped = ignore_skipped,
        beat: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`left` is told what is not yielded; `beat` again and again how long it may take until the next time."""
        self._root, self._settings, self._stop = root, settings, stop
        self._left, self._beat = left, beat
        self._seen = SeenFiles()
        self._settling = Debouncer(settings.debounce_s)

    def scan_once(self) -> Iterator[FoundFile]:
        """Yield what is there, the youngest files last. What is not finished after a second look is left.

        Raises SourceError if the folder cannot be read.
        """
        yield from self._new(scan(self._root, self._left))
        while self._settling.files and not self._pause():
            came, was_full = 0, self._settling.is_full
            for came, file in enumerate(self._new(scan(self._root)), 1):  # noqa: B007 (used after the loop)
                yield file
            if not (came and was_full):
                break
        if (unfinished := self._settling.files) and not self._stop.is_set():
            detail = f"{len(unfinished)} files changed in the last {OLD_S // 60} min and are not finished, as"
            example = next(iter(unfinished.values())).file.name
            self._left("unfinished", f"{detail} {example}: scan again later, or use --watch", len(unfinished))

    def watch(self) -> Iterator[FoundFile]:
        """Yield each file when it is finished, and again when it has changed, until told to stop.

        The periodic scan is the truth; the operating system's events only make it come sooner, since network and FAT
        file systems send none and queues overflow. A card that is taken out is waited for; when another comes, or the
        same one, all its files are new to us.
        """
        told: set[str] = set()
        with ChangeEvents(self._root) as hints, MountTable(self._root) as mounts:
            while not self._stop.is_set():
                began = time.monotonic()
                hints.clear()
                if mounts.has_changed():
                    self._seen.clear()
                    told.clear()
                yield from self._new(self._scan_if_there(told))
                # A scan must not follow the other while a file grows, or take all of a small machine's time.
                pause_s = min(self._settings.interval_s, max(1.0, 4 * (time.monotonic() - began)))
                most_s = self._settings.debounce_s if self._settling.is_soon else self._settings.interval_s
                self._beat(max(pause_s, most_s))
                hints.wait(pause_s, max(pause_s, most_s), self._stop)

    def retry(self, file: FoundFile) -> None:
        """Yield a file once more: reading it was interrupted."""
        self._seen.add(file, time.monotonic() + RETRY_SCANS * self._settings.interval_s)

    def _new(self, files: Iterator[FoundFile]) -> Iterator[FoundFile]:
        for file in files:
            self._beat(0)
            if self._stop.is_set():
                return
            if not self._seen.has(file) and self._settling.is_stable(file, is_complete):
                self._seen.add(file)
                yield file
        self._settling.end_scan()

    def _pause(self) -> bool:
        """Wait for the young files to settle; say whether we were told to stop."""
        self._beat(self._settings.debounce_s)
        return self._stop.wait(self._settings.debounce_s)

    def _scan_if_there(self, told: set[str]) -> Iterator[FoundFile]:
        def tell_once(reason: str, detail: str, count: int) -> None:
            if detail not in told and len(told) < 1_000:
                told.add(detail)
                self._left(reason, detail, count)

        try:
            yield from scan(self._root, tell_once)
        except SourceError:
            self._seen.clear()
