"""Remembers which files were seen, and which of them may still be written to."""

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
"""A file that has not changed for so long is not being written any more, even if its header was never finished."""

MAX_SETTLING = 10_000
"""So many young files are watched at a time: 5 MB. The others wait for their turn."""


class SeenFiles:
    """The files that were seen, as they were then, in a temporary file: memory stays flat however many they are."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("CREATE TABLE seen (file INTEGER PRIMARY KEY, until_s REAL NOT NULL) STRICT")

    def __del__(self) -> None:
        self._db.close()

    def has(self, file: FoundFile) -> bool:
        """Say whether a file was seen in just this state."""
        query = "SELECT 1 FROM seen WHERE file = ? AND until_s > ?"
        return self._db.execute(query, (_key(file), time.monotonic())).fetchone() is not None

    def add(self, file: FoundFile, until_s: float = inf) -> None:
        """Remember a file, or remember it until a time of the monotonic clock only."""
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (_key(file), until_s))

    def clear(self) -> None:
        """Forget all."""
        self._db.execute("DELETE FROM seen")


def _key(file: FoundFile) -> int:
    state = f"{file.size}/{file.mtime_ns}/".encode() + os.fsencode(file.path)
    return int.from_bytes(hashlib.blake2b(state, digest_size=8).digest(), signed=True)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the last look at a young file showed."""

    file: FoundFile
    since_s: float
    """When it was first seen like this, by the monotonic clock."""
    round: int


class Debouncer:
    """The files that changed lately."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._round = 0
        self.files: dict[Path, Observation] = {}
        """At most MAX_SETTLING."""

    @property
    def is_full(self) -> bool:
        """More files may be young than are watched."""
        return len(self.files) >= MAX_SETTLING

    @property
    def is_soon(self) -> bool:
        """Another look after `settle_s` may show that a file is finished."""
        now_s = time.monotonic()
        return any(now_s - look.since_s <= self._settle_s for look in self.files.values())

    def is_stable(self, file: FoundFile, is_finished: Callable[[Path], bool]) -> bool:
        """Observation at a file: say whether it is old, or has rested and is finished."""
        now_s = time.monotonic()
        before = self.files.get(file.path)
        if not before or before.file != file:
            if time.time() - file.mtime_ns / 1e9 > OLD_S:
                self.files.pop(file.path, None)
                return True
            if before or not self.is_full:
                self.files[file.path] = Observation(file, now_s, self._round)
            return False
        rested_s = now_s - before.since_s
        # Not by the file's own time alone: a card's may be hours wrong, or in the future.
        is_old = rested_s > OLD_S or time.time() - file.mtime_ns / 1e9 > OLD_S
        if is_old or (rested_s >= self._settle_s and is_finished(file.path)):
            del self.files[file.path]
            return True
        self.files[file.path] = Observation(file, before.since_s, self._round)
        return False

    def end_scan(self) -> None:
        """End a round: forget the files that were not looked at in it."""
        self.files = {path: look for path, look in self.files.items() if look.round == self._round}
        self._round += 1
