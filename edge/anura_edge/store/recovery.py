"""Replaces a damaged journal by a new one with all rows that can still be read.

The damaged file gets another name and is never deleted. The new journal is complete before any file is renamed, so a
power cut costs only the time to start again. Rows keep their ids, which come from content. Rows that are not known to
be delivered are queued again, and the base station recognises those that it has.
"""

import logging
import os
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from uuid import uuid4

from anura_edge.errors import JournalDamagedError, JournalFullError
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.database import damaged_mark
from anura_edge.store.journal import DEFAULT_OWNER, DEVICE_PROVENANCE, Journal
from anura_edge.store.salvage import copy_readable
from anura_edge.wire import Owner

log = logging.getLogger(__name__)

_SUFFIXES = ("", "-wal", "-shm")
"""SQLite stores one database in up to three files."""


def open_journal(path: Path, owner: Owner = DEFAULT_OWNER) -> Journal:
    """Open a journal. If it is damaged, open a new one with what can be read of it. New rows are of `owner`.

    No other process may use it. Raises JournalError if it cannot be used for another reason.
    """
    fresh = path.with_name(f"{path.name}.fresh")
    try:
        _finish_interrupted(path, fresh)
        return Journal(path, owner)
    except JournalDamagedError as error:
        log.warning("%s; copying what can be read", error)
        _recover(path, fresh, owner, str(error))
        return Journal(path, owner)


def _finish_interrupted(path: Path, fresh: Path) -> None:
    """Finish or undo a recovery that a power cut interrupted."""
    if fresh.exists() and not path.exists():
        _swap(path, fresh, _unused_name(path))
    else:
        _remove(fresh)


def _recover(path: Path, fresh: Path, owner: Owner, reason: str) -> None:
    aside = _unused_name(path)
    _remove(fresh)
    with closing(Journal(fresh, owner)) as journal:
        copied = copy_readable(path, journal.database, owner)
        rest = "the rest cannot be read" if copied.damage or copied.lost else "all of it was readable"
        lost = f" (at least {copied.lost} rows that waited)" if copied.lost else ""
        detail = (
            f"renamed to {aside.name} ({path.stat().st_size / 1e6:.1f} MB, delete it when it is not needed): copied "
            f"{copied.rows} rows, {copied.queued} of them to be sent again, and {copied.marks} marks; {rest}{lost}"
        )
        notice = Notice(uuid4(), NoticeKind.JOURNAL_SALVAGED, datetime.now(UTC), detail, amount=copied.rows)
        journal.commit([], [], DEVICE_PROVENANCE, notices=[notice])
        _write_back(journal)
    log.warning("%s: %s", reason, detail)
    _swap(path, fresh, aside)


def _write_back(journal: Journal) -> None:
    """Write the write-ahead log back to the main file, the only file that is renamed later.

    Raises JournalFullError if there is no room: closing the journal would not report that.
    """
    with journal.database.reading() as db:
        if any(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()):
            raise JournalFullError(f"cannot write back {journal.database.path}; make room on the disk")


def _unused_name(path: Path) -> Path:
    """Return a name for the damaged journal. A machine without a clock reaches the same time again and again."""
    name = f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(name + suffix) for suffix in chain([""], (f"-{n}" for n in count(2))))
    return next(aside for aside in names if not any(_with(aside, suffix).exists() for suffix in _SUFFIXES))


def _swap(path: Path, fresh: Path, aside: Path) -> None:
    for suffix in _SUFFIXES:
        if _with(path, suffix).exists():
            _with(path, suffix).rename(_with(aside, suffix))
    fresh.rename(path)
    damaged_mark(path).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # then the new names survive a power cut
    finally:
        os.close(folder)


def _remove(fresh: Path) -> None:
    for suffix in _SUFFIXES:
        _with(fresh, suffix).unlink(missing_ok=True)


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
