"""Yields the complete recordings below a folder, once or until stopped."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from anura_edge.config.operation import WatchSettings
from anura_edge.errors import SourceError
from anura_edge.sources.files.debounce import OLD_S, Debouncer, SeenFiles
from anura_edge.sources.files.fs_events import ChangeEvents, MountTable
from anura_edge.sources.files.open_file import is_complete
from anura_edge.sources.files.scan import FoundFile, OnSkipped, ignore_skipped, scan

RETRY_SCANS = 20
"""A file whose reading was interrupted is tried again after this many intervals. Earlier attempts would wear out a
failing card by reading its bad blocks repeatedly. After a card was removed and inserted, it is tried immediately."""


class WatchedFolder:
    """A folder whose files are yielded when they are complete, and again when they have changed.

    A file that changed less than OLD_S ago may still be written. It is complete if its size and time are equal in two
    scans, `debounce_s` apart, and if it is at least as long as its header declares. An older file counts as complete.
    """

    def __init__(
        self,
        root: Path,
        settings: WatchSettings,
        stop: Event,
        on_skipped: OnSkipped = ignore_skipped,
        heartbeat: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`heartbeat` is called repeatedly with the longest time until the next call, in seconds."""
        self._root, self._settings, self._stop = root, settings, stop
        self._on_skipped, self._heartbeat = on_skipped, heartbeat
        self._seen = SeenFiles()
        self._debouncer = Debouncer(settings.debounce_s)

    def scan_once(self) -> Iterator[FoundFile]:
        """Yield all files, recently changed ones last. Those that are not complete in a second scan are skipped.

        Raises SourceError if the folder cannot be read.
        """
        yield from self._new(scan(self._root, self._on_skipped))
        while self._debouncer.files and not self._pause():
            count, was_full = 0, self._debouncer.is_full
            for count, file in enumerate(self._new(scan(self._root)), 1):  # noqa: B007 (used after the loop)
                yield file
            if not (count and was_full):
                break
        if (incomplete := self._debouncer.files) and not self._stop.is_set():
            example = next(iter(incomplete.values())).file.name
            detail = f"{len(incomplete)} files changed in the last {OLD_S // 60} min and are not complete, as {example}"
            self._on_skipped("unfinished", f"{detail}: scan again later, or use --watch", len(incomplete))

    def watch(self) -> Iterator[FoundFile]:
        """Yield each file when it is complete, and again when it has changed, until stopped.

        Periodic scans find every change. The operating system's events only make the next scan start earlier: network
        and FAT file systems send none, and queues overflow. If the card is removed, the folder is scanned until a card
        is inserted; then all its files are new.
        """
        reported: set[str] = set()
        with ChangeEvents(self._root) as changes, MountTable(self._root) as mounts:
            while not self._stop.is_set():
                start = time.monotonic()
                changes.clear()
                if mounts.has_changed():
                    self._seen.clear()
                    reported.clear()
                yield from self._new(self._scan_if_exists(reported))
                # A pause, or a growing file would start scan after scan and take all time of a small machine.
                pause_s = min(self._settings.interval_s, max(1.0, 4 * (time.monotonic() - start)))
                max_s = self._settings.debounce_s if self._debouncer.is_soon else self._settings.interval_s
                self._heartbeat(max(pause_s, max_s))
                changes.wait(pause_s, max(pause_s, max_s), self._stop)

    def retry(self, file: FoundFile) -> None:
        """Yield a file again later, because reading it was interrupted."""
        self._seen.add(file, time.monotonic() + RETRY_SCANS * self._settings.interval_s)

    def _new(self, files: Iterator[FoundFile]) -> Iterator[FoundFile]:
        for file in files:
            self._heartbeat(0)
            if self._stop.is_set():
                return
            if not self._seen.has(file) and self._debouncer.is_stable(file, is_complete):
                self._seen.add(file)
                yield file
        self._debouncer.end_scan()

    def _pause(self) -> bool:
        """Wait for recently changed files. Return whether it was stopped."""
        self._heartbeat(self._settings.debounce_s)
        return self._stop.wait(self._settings.debounce_s)

    def _scan_if_exists(self, reported: set[str]) -> Iterator[FoundFile]:
        """Scan, and report each skipped file or folder only once."""

        def report_once(reason: str, detail: str, count: int) -> None:
            if detail not in reported and len(reported) < 1_000:
                reported.add(detail)
                self._on_skipped(reason, detail, count)

        try:
            yield from scan(self._root, report_once)
        except SourceError as error:
            self._seen.clear()
            if not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):  # those: no card is inserted
                report_once("folder", str(error), 1)
