"""The index of saved clips in the journal: which event is in which file, which clips are done, and the daily budget.

No promise depends on it: if an entry is lost, the clip is not sent, but its event is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from anura_edge.store.database import Database
from anura_edge.store.rows import column_dicts, to_row
from anura_edge.wire import EventRow

WITHHELD = "withheld"
"""In the place of a file name: the clip contained speech, so there is no file."""

BUDGET_HISTORY = timedelta(days=2)
"""Older entries of the budget are deleted."""


@dataclass(frozen=True, slots=True)
class IndexedClip:
    """An event, and the file that contains it."""

    event: UUID
    name: str
    first_sample: int
    """First sample of the file, counted from the start of the recording at the event's rate."""


class ClipIndex:
    """The index of saved clips. Threads may share it. Each call is one transaction.

    Each call raises JournalError if the journal cannot be used, and JournalFullError if an entry has no room.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, first_sample: int, events: Iterable[EventRow]) -> None:
        """Record which events are in a file."""
        rows = [(str(event.id), name, first_sample) for event in events]
        with self._database.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO clip (event, name, first_sample) VALUES (?, ?, ?)", rows)

    def withhold(self, events: Iterable[EventRow]) -> None:
        """Record that the audio of events contains speech, and is not given to anybody."""
        self.add(WITHHELD, 0, events)

    def find(self, event: UUID) -> IndexedClip | None:
        """Return the file that contains an event, or None if no clip of it was saved."""
        with self._database.reading() as db:
            query = "SELECT name, first_sample FROM clip WHERE event = ?"
            found = db.execute(query, (str(event),)).fetchone()
        return IndexedClip(event, *found) if found else None

    def event(self, event: UUID) -> EventRow | None:
        """Return an event, or None if the journal does not have it."""
        query = "SELECT * FROM event WHERE id = ?"
        with self._database.reading() as db:
            found = next(column_dicts(db.execute(query, (str(event),))), None)
        return to_row(EventRow, found) if found else None

    def not_done(self) -> list[IndexedClip]:
        """Return the clips that the base station may still need, the oldest file first."""
        with self._database.reading() as db:
            query = "SELECT event, name, first_sample FROM clip WHERE NOT settled ORDER BY name, event"
            return [IndexedClip(UUID(event), name, first) for event, name, first in db.execute(query)]

    def all(self) -> list[IndexedClip]:
        """Return all clips, the oldest file first."""
        with self._database.reading() as db:
            query = "SELECT event, name, first_sample FROM clip ORDER BY name, event"
            return [IndexedClip(UUID(event), name, first) for event, name, first in db.execute(query)]

    def mark_done(self, event: UUID) -> None:
        """Record that the base station needs no more of an event's clip."""
        with self._database.transaction() as db:
            db.execute("UPDATE clip SET settled = 1 WHERE event = ?", (str(event),))

    def reserve_bytes(self, size: int, budget: int, now: datetime) -> bool:
        """Take `size` bytes from the budget of a day. Return False, and take none, if fewer are left.

        Bytes are taken before they are used, so a program that is killed in between never exceeds the budget.
        """
        day = str(now.date())
        with self._database.transaction() as db:
            spent = db.execute("SELECT bytes FROM clip_spent WHERE day = ?", (day,)).fetchone()
            total = size + (spent[0] if spent else 0)
            if total > budget:
                return False
            db.execute("INSERT OR REPLACE INTO clip_spent VALUES (?, ?)", (day, total))
            db.execute("DELETE FROM clip_spent WHERE day < ?", (str((now - BUDGET_HISTORY).date()),))
        return True
