"""The lock file of a journal: one process at a time uses it."""

import fcntl
from pathlib import Path
from typing import IO

from anura_edge.errors import JournalError


def lock_path(journal: Path) -> Path:
    """Return the path of a journal's lock file."""
    return journal.with_suffix(".lock")


def acquire_lock(journal: Path) -> IO[bytes]:
    """Lock a journal until the returned file is closed. Two devices of one name would disconnect each other.

    Raises JournalError if another process has the lock, or if the folder cannot be written.
    """
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_path(journal).open("wb")
    except OSError as error:
        raise JournalError(f"cannot use the journal {journal}: {error.strerror}; set state_dir") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise JournalError(f"another anura-edge uses {journal}; stop it, or give this one its own state_dir") from error
    return lock


def is_locked(journal: Path) -> bool:
    """Return whether a running device uses a journal.

    Raises OSError if the lock file cannot be read.
    """
    try:
        with lock_path(journal).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
