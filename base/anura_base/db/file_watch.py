"""Ends the base station when its SQLite file is removed or replaced, so that a service manager starts it again."""

import logging
import threading
from pathlib import Path

from sqlalchemy import Engine

from anura_base.db.sqlite_setup import device_and_inode
from anura_edge.errors import JournalError

log = logging.getLogger(__name__)

CHECK_EVERY_S = 2.0
MISSING_S = 60.0
"""A file that comes back within this time, for example after a copy, is used again."""


class DatabaseFileWatch:
    """Compares the file of the database with the one that was opened. Other databases than SQLite have no file."""

    def __init__(self, engine: Engine) -> None:
        name = engine.url.database if engine.dialect.name == "sqlite" else None
        self._path = Path(name) if name else None
        self._opened = self._path and device_and_inode(self._path)

    def run(self, stop: threading.Event) -> None:
        """Check until `stop` is set. Raises JournalError when the file is another one, or stays missing."""
        if self._path is None:
            stop.wait()  # the base station ends when one of its parts does
            return
        missing_s = 0.0
        while not stop.wait(CHECK_EVERY_S):
            found = device_and_inode(self._path)
            if found == self._opened:
                missing_s = 0.0
            elif found:
                raise JournalError(f"the database {self._path} was replaced; start again to use the new file")
            elif missing_s >= MISSING_S:
                raise JournalError(
                    f"the database {self._path} was removed; put it back, or restore a backup, before the next start;"
                    " otherwise that begins with an empty database"
                )
            else:
                if not missing_s:
                    log.error("the database %s was removed; put it back within %.0f s", self._path, MISSING_S)
                missing_s += CHECK_EVERY_S
