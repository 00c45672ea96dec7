"""What the journal knows of saved audio: which call is in which file, what is settled, and what was spent.

It is no part of any promise: a clip that is not noted is not sent, and its call is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from anura_edge.store.journal import Journal
from anura_edge.store.outbox import column_dicts
from anura_edge.wire import EventRow

REMEMBERED = timedelta(days=2)
"""What was spent before that is forgotten."""


@dataclass(frozen=True, slots=True)
class IndexedClip:
    """A call, and the file that it is in."""

    event: UUID
    name: str
    first_sample: int
    """Of the file, from the start of the recording, at the event's rate."""


class ClipIndex:
    """The journal's notes of clips. Threads may share them; each call is one transaction.

    Each raises JournalError if the journal cannot be used, JournalFullError if a note has no room.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def note(self, name: str, first_sample: int, events: Iterable[EventRow]) -> None:
        """Note which calls are in a file."""
        rows = [(str(event.id), name, first_sample) for event in events]
        with self._journal.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO clip (event, name, first_sample) VALUES (?, ?, ?)", rows)

    def find(self, event: UUID) -> IndexedClip | None:
        """Return the file that a call is in, None if none was saved."""
        with self._journal.reading() as db:
            query = "SELECT name, first_sample FROM clip WHERE event = ?"
            found = db.execute(query, (str(event),)).fetchone()
        return IndexedClip(event, *found) if found else None

    def event(self, event: UUID) -> EventRow | None:
        """Return a call, None if there is none, or none any more."""
        with self._journal.reading() as db:
            found = next(
                column_dicts(db.execute("SELECT * FROM event WHERE id = ? AND NOT withdrawn", (str(event),))), None
            )
        return EventRow.model_validate({**found, "seq": 0}) if found else None

    def unsettled(self) -> list[IndexedClip]:
        """Return what the base station may still need, the oldest file first."""
        with self._journal.reading() as db:
            query = "SELECT event, name, first_sample FROM clip WHERE NOT settled ORDER BY name, event"
            return [IndexedClip(UUID(event), name, first) for event, name, first in db.execute(query)]

    def settle(self, event: UUID) -> None:
        """Note that the base station needs nothing more of a call's clip."""
        with self._journal.transaction() as db:
            db.execute("UPDATE clip SET settled = 1 WHERE event = ?", (str(event),))

    def spend(self, size: int, at_most: int, now: datetime) -> bool:
        """Take some bytes from the budget of a day; return False, and take none, if that has not so many left.

        It is taken before it is used: a program that is killed in between has spent too much, never too little.
        """
        day = str(now.date())
        with self._journal.transaction() as db:
            spent = db.execute("SELECT bytes FROM clip_spent WHERE day = ?", (day,)).fetchone()
            total = size + (spent[0] if spent else 0)
            if total > at_most:
                return False
            db.execute("INSERT OR REPLACE INTO clip_spent VALUES (?, ?)", (day, total))
            db.execute("DELETE FROM clip_spent WHERE day < ?", (str((now - REMEMBERED).date()),))
        return True
