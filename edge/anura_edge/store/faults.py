"""What an error of SQLite means for the journal: damage, a full disk, or a fault of the system."""

import os
import sqlite3
from pathlib import Path

from anura_edge.errors import JournalDamagedError, JournalError, JournalFullError

_NOT_DAMAGE = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_AUTH,
)
"""Primary codes of faults of the disk, the system or the program. With any other code the file is damaged."""

_UNREADABLE_DISK = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS)
"""The disk does not return what was written."""


def _code(error: Exception) -> int:
    """Return SQLite's extended result code. The low byte is the primary code."""
    # SQLite accepts a flipped byte inside a value. Only the reader finds that it is not text, or not a valid row.
    if not isinstance(error, sqlite3.Error) or str(error).startswith("Could not decode to UTF-8"):
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", None) or sqlite3.SQLITE_MISUSE  # errors of Python's own module have none


def journal_error(verb: str, path: Path, error: Exception) -> JournalError:
    """Return the error to raise when a journal cannot be read, written or used."""
    problem, code = f"cannot {verb} {path}", _code(error)
    # SQLite does not write a file whose header has a format version that it does not know.
    is_refused = code & 0xFF == sqlite3.SQLITE_READONLY and not os.access(path, os.W_OK)
    if code in _UNREADABLE_DISK or (code & 0xFF not in _NOT_DAMAGE and not is_refused):
        return JournalDamagedError(
            f"{problem}: {error}; the next start keeps it under another name and copies what can be read"
        )
    if code == sqlite3.SQLITE_FULL:
        return JournalFullError(f"{problem}: the disk is full; make room")
    return JournalError(f"{problem}: {error}; check the disk, move it aside, or set state_dir")


def is_disk_fault(error: Exception) -> bool:
    """Return whether the disk failed. After a failed sync the system may report success for pages that it has lost."""
    return _code(error) & 0xFF == sqlite3.SQLITE_IOERR
