"""Decides when a file is complete: its size and time have not changed for a while, and it is as long as declared."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path

from anura_edge.sources.files.scan import FoundFile

OLD_S = 600
"""A file that has not changed for this long is not being written any more, even if its header was never finished."""

MAX_RECENT = 10_000
"""Recently changed files that are observed at a time; they take 5 MB. The others wait."""


class SeenFiles:
    """Files that were yielded, with size and time, in a temporary database: memory does not grow with their number."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (file INTEGER PRIMARY KEY, until_s REAL NOT NULL) STRICT")

    def __del__(self) -> None:
        self._db.close()

    def has(self, file: FoundFile) -> bool:
        """Return whether a file was added with this size and time."""
        query = "SELECT 1 FROM seen WHERE file = ? AND until_s > ?"
        return self._db.execute(query, (_key(file), time.monotonic())).fetchone() is not None

    def add(self, file: FoundFile, until_s: float = inf) -> None:
        """Add a file, for ever or until a time of the monotonic clock."""
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (_key(file), until_s))

    def clear(self) -> None:
        """Remove all files."""
        self._db.execute("DELETE FROM seen")


def _key(file: FoundFile) -> int:
    state = f"{file.size}/{file.mtime_ns}/{file.ctime_ns}/{file.inode}/".encode() + os.fsencode(file.path)
    return int.from_bytes(hashlib.blake2b(state, digest_size=8).digest(), signed=True)


@dataclass(frozen=True, slots=True)
class Observation:
    """A recently changed file in the last scan."""

    file: FoundFile
    since_s: float
    """When it was first found with this size and time, by the monotonic clock."""
    scan: int
    """Number of the last scan that found it."""


class Debouncer:
    """Observes recently changed files until they are complete."""

    def __init__(self, debounce_s: float) -> None:
        self._debounce_s = debounce_s
        self._scan = 0
        self.files: dict[Path, Observation] = {}
        """At most MAX_RECENT."""

    @property
    def is_full(self) -> bool:
        """Whether there may be more recently changed files than are observed."""
        return len(self.files) >= MAX_RECENT

    @property
    def is_soon(self) -> bool:
        """Whether a scan after `debounce_s` may find a complete file."""
        now_s = time.monotonic()
        return any(now_s - each.since_s <= self._debounce_s for each in self.files.values())

    def is_stable(self, file: FoundFile, is_complete: Callable[[Path], bool]) -> bool:
        """Observe a file. Return whether it is old, or unchanged for `debounce_s` and complete."""
        now_s = time.monotonic()
        before = self.files.get(file.path)
        if not before or before.file != file:
            if time.time() - file.mtime_ns / 1e9 > OLD_S:
                self.files.pop(file.path, None)
                return True
            if before or not self.is_full:
                self.files[file.path] = Observation(file, now_s, self._scan)
            return False
        unchanged_s = now_s - before.since_s
        # The file's own time is not enough: the clock of a card's recorder may be hours wrong, or in the future.
        is_old = unchanged_s > OLD_S or time.time() - file.mtime_ns / 1e9 > OLD_S
        if is_old or (unchanged_s >= self._debounce_s and is_complete(file.path)):
            del self.files[file.path]
            return True
        self.files[file.path] = Observation(file, before.since_s, self._scan)
        return False

    def end_scan(self) -> None:
        """Remove the files that this scan did not find, and begin the next scan."""
        self.files = {path: each for path, each in self.files.items() if each.scan == self._scan}
        self._scan += 1
