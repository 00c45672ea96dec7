"""Sets a damaged journal aside, and takes over into a new one what can still be read.

The damaged file is never deleted. The new journal is built beside it and complete before any file changes its name, so
a power cut in the middle costs nothing but the time to do it again. Rows keep their ids, which come from content; what
is not known to be delivered is queued again, and the base station knows each row that it has.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count, pairwise
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from pydantic import ValidationError

from anura_edge.errors import JournalDamagedError, JournalFullError
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.database import damaged_mark
from anura_edge.store.journal import DEVICE_PROVENANCE, Journal, enqueue_row, store_row
from anura_edge.store.outbox import ROW_TYPES, column_dicts

log = logging.getLogger(__name__)

_SIDE_FILES = ("", "-wal", "-shm")

_ID_BOUNDS = ["", *(f"{n:02x}" for n in range(1, 256)), "\U0010ffff"]
_NUMBER_BOUNDS = [-(2**63), *range(0, 10_000_000, 10_000), 2**63 - 1]
"""Where tables are cut by their keys: damage hides what lies around it in one piece, and nothing of the others."""

_Fields = dict[str, object]


@dataclass(slots=True)
class _Taken:
    """What was taken over."""

    rows: int = 0
    queued: int = 0
    marks: int = 0
    damage: int = 0
    """How often a page or a row could not be read."""


def open_journal(path: Path) -> Journal:
    """Open a journal; if it is damaged, set it aside and go on with what can be read of it.

    The caller must be the only one that uses it. Raises JournalError if it cannot be used for another reason.
    """
    fresh = path.with_name(f"{path.name}.fresh")
    try:
        _finish(path, fresh)
        return Journal(path)
    except JournalDamagedError as error:
        log.warning("%s; taking over what can be read", error)
        _rescue(path, fresh, str(error))
        return Journal(path)


def _finish(path: Path, fresh: Path) -> None:
    """Complete or forget what a power cut interrupted."""
    if fresh.exists() and not path.exists():
        _swap(path, fresh, _aside(path))
    else:
        _remove(fresh)


def _rescue(path: Path, fresh: Path, why: str) -> None:
    aside = _aside(path)
    _remove(fresh)
    with closing(Journal(fresh)) as journal:
        taken = _take_over(path, journal)
        lost = "the rest cannot be read" if taken.damage else "all of it could be read"
        detail = (
            f"set aside as {aside.name} ({path.stat().st_size / 1e6:.1f} MB, delete it when it is not needed): took "
            f"over {taken.rows} rows, {taken.queued} of them to be sent again, and {taken.marks} marks; {lost}"
        )
        notice = Notice(uuid4(), NoticeKind.JOURNAL_SALVAGED, datetime.now(UTC), detail, amount=taken.rows)
        journal.commit([], [], DEVICE_PROVENANCE, notices=[notice])
        _write_back(journal)
    log.warning("%s: %s", why, detail)
    _swap(path, fresh, aside)


def _write_back(journal: Journal) -> None:
    """Bring everything from the write-ahead log into the file itself, the only one that gets the journal's name.

    Raises JournalFullError where that does not fit: closing would not say so.
    """
    with journal.reading() as db:
        if any(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()):
            raise JournalFullError(f"cannot write back {journal.path}; make room on the disk")


def _take_over(damaged: Path, journal: Journal) -> _Taken:
    taken = _Taken()
    address = f"file:{quote(str(damaged.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as source, journal.transaction() as db:
        delivered = {table: _delivered(source, table, taken) for table in ("settled", "dead_letter")}
        damage = taken.damage
        for kind, form in ROW_TYPES.items():
            for fields in _read(source, kind, "id", taken):
                try:
                    row = form.model_validate({**fields, "seq": 0})
                except ValidationError:
                    taken.damage += 1
                    continue
                if fields.get("withdrawn"):  # its number, which says so to the base station, is that of the old journal
                    continue
                taken.rows += 1
                table = next((name for name, ids in delivered.items() if (kind, str(row.id)) in ids), None)
                if table is None:
                    taken.queued += bool(enqueue_row(db, row))
                elif store_row(db, row):
                    # Below zero: it has a place in the journal, but none in the sequence of the new one.
                    _insert(db, table, {**delivered[table][kind, str(row.id)], "seq": -taken.rows})
        for fields in _read(source, "clip", "event", _Taken()):  # a note that is lost costs nothing but itself
            _insert(db, "clip", fields)
        marks = [("recordings", "id"), ("unreadable", "name"), ("progress", "id")]
        # Which recording a lost row was of, nobody knows: the cards that are still there are heard again, and give the
        # same rows.
        for table, key in marks[taken.damage > damage :]:
            for fields in _read(source, table, key, taken):
                taken.marks += 1
                _insert(db, table, fields)
    return taken


def _delivered(source: sqlite3.Connection, table: str, taken: _Taken) -> dict[tuple[object, object], _Fields]:
    return {(fields["kind"], fields["id"]): fields for fields in _read(source, table, "seq", taken)}


def _read(source: sqlite3.Connection, table: str, key: str, taken: _Taken) -> Iterator[_Fields]:
    """Return all rows of a table that can be read: damage ends a reading, so each piece is read from both its ends."""
    bounds: list[object] = [*_NUMBER_BOUNDS] if key == "seq" else [*_ID_BOUNDS]
    for piece in pairwise(bounds):
        query = f"SELECT * FROM {table} WHERE {key} >= ? AND {key} < ? ORDER BY {key}"
        damage = taken.damage
        upwards = [*_until_damage(source, query, piece, taken)]
        yield from upwards
        if taken.damage > damage:
            downwards = _until_damage(source, f"{query} DESC", piece, taken)
            yield from (fields for fields in downwards if fields not in upwards)


def _until_damage(
    source: sqlite3.Connection, query: str, piece: tuple[object, object], taken: _Taken
) -> Iterator[_Fields]:
    try:
        yield from column_dicts(source.execute(query, piece))
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        taken.damage += 1


def _insert(db: sqlite3.Connection, table: str, fields: _Fields) -> None:
    columns, places = ", ".join(fields), ", ".join(f":{name}" for name in fields)
    with suppress(sqlite3.IntegrityError):  # damage may have made a field something else
        db.execute(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})", fields)


def _aside(path: Path) -> Path:
    """Return a name that no earlier journal has: a machine without a clock lives through the same second often."""
    name = f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(name + suffix) for suffix in chain([""], (f"-{n}" for n in count(2))))
    return next(aside for aside in names if not any(_with(aside, side).exists() for side in _SIDE_FILES))


def _swap(path: Path, fresh: Path, aside: Path) -> None:
    for suffix in _SIDE_FILES:
        if _with(path, suffix).exists():
            _with(path, suffix).rename(_with(aside, suffix))
    fresh.rename(path)
    damaged_mark(path).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new names survive a power cut, too
    finally:
        os.close(folder)


def _remove(fresh: Path) -> None:
    for suffix in _SIDE_FILES:
        _with(fresh, suffix).unlink(missing_ok=True)


def _with(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
