"""What the journal knows about files that were heard: by which model, under which settings, how to know them again.

A file is known by its content. A hearing of it can be withdrawn by a later one: under other settings, or when more of
the file has come. See docs/decisions/0014-identity-of-recordings-and-reanalysis.md.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import TypeVar
from uuid import uuid5

from anura_edge.audio import Recording
from anura_edge.events import NAMESPACE, Effort, Event, Notice, NoticeKind
from anura_edge.store.outbox import Outbox
from anura_edge.wire import MAX_TEXT

T = TypeVar("T", Event, Effort)


@dataclass(frozen=True, slots=True)
class AnalysedFile:
    """A file that was heard to its end, and how to know it again."""

    recording: Recording
    size: int
    """Of the file, in bytes."""
    head: str | None
    """Fingerprint of how the file begins; None where it begins without sound, so that others begin alike."""
    glance: bytes
    """See `content.glance`."""
    is_whole: bool
    """All that its header promises could be heard."""
    in_place_of: str | None = None
    """The recording, perhaps the same, whose hearing this one takes the place of."""


@dataclass(frozen=True, slots=True)
class PreviousAnalysis:
    """What is known of the last hearing of a recording."""

    recording: str
    config_hash: str
    size: int
    is_whole: bool
    is_replaced: bool
    """A longer file, or another copy, was heard in its place."""


class ScanHistory(Outbox):
    """The journal's memory of files. Each call is one transaction."""

    def past(self, recording: str, model_sha256: str) -> PreviousAnalysis | None:
        """Return how a model has last heard this content to its end, or None."""
        return self._past("id = ? AND model_sha256 = ?", recording, model_sha256)

    def find_by_fingerprint(self, glance: bytes, model_sha256: str) -> PreviousAnalysis | None:
        """Do the same for a file that was seen before and has not changed, without reading much of it."""
        return self._past("id = (SELECT recording FROM glance WHERE id = ?) AND model_sha256 = ?", glance, model_sha256)

    def find_by_head(self, head: str, model_sha256: str) -> PreviousAnalysis | None:
        """Return the last hearing of the longest file that begins in this way, or None."""
        return self._past(
            "head = ? AND model_sha256 = ? AND replaced_by IS NULL ORDER BY size DESC", head, model_sha256
        )

    def remember(self, glances: dict[bytes, str]) -> None:
        """Note, by glance, which recordings files hold."""
        with self.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO glance VALUES (?, ?)", glances.items())

    def _past(self, which: str, *values: str | bytes) -> PreviousAnalysis | None:
        with self.reading() as db:
            query = f"SELECT id, config_hash, size, is_whole, replaced_by FROM recordings WHERE {which} LIMIT 1"
            found = db.execute(query, values).fetchone()
        if not found:
            return None
        recording, config_hash, size, is_whole, replaced_by = found
        return PreviousAnalysis(recording, config_hash, size, bool(is_whole), is_replaced=replaced_by is not None)


def withdraw(db: Connection, done: AnalysedFile, model_sha256: str) -> Notice:
    """Mark the rows of what a file takes the place of as not valid any more; return the notice that tells it.

    The notice must get its number before the rows that come in place of the old ones: it speaks of those below.
    """
    old, new = done.in_place_of, done.recording.id
    for table in ("event", "effort"):
        db.execute(f"UPDATE {table} SET withdrawn = 1 WHERE recording = ? AND model_sha256 = ?", (old, model_sha256))
    query = """
        UPDATE recordings SET hearings = hearings + 1, replaced_by = nullif(?, id) WHERE id = ? AND model_sha256 = ?
        RETURNING hearings
    """
    ((hearings,),) = db.execute(query, (new, old, model_sha256)).fetchall()
    id_ = uuid5(NAMESPACE, f"withdrawn/{old}/{model_sha256}/{hearings}")
    why = "heard again under other settings" if old == new else "more of it, or another copy, has come"
    detail = f"{done.recording.name[-MAX_TEXT // 2 :]}: {why}"
    return Notice(id_, NoticeKind.WITHDRAWN, datetime.now(UTC), detail, old or "")


def with_revision_id(row: T, withdrawal: Notice | None) -> T:
    """Give a row of a second hearing another id: the base station knows the first one's, or may yet."""
    return replace(row, id=uuid5(withdrawal.id, str(row.id))) if withdrawal else row


def mark_done(db: Connection, done: AnalysedFile, model_sha256: str, config_hash: str) -> None:
    """Note that a file was heard to its end."""
    facts = done.recording
    values = {
        "id": facts.id,
        "model_sha256": model_sha256,
        "name": facts.name,
        "start_utc": facts.start_utc.isoformat(),
        "clock_source": facts.clock_source,
        "rate_hz": facts.rate_hz,
        "channels": facts.channels,
        "config_hash": config_hash,
        "size": done.size,
        "head": done.head,
        "is_whole": done.is_whole,
    }
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("id", "model_sha256"))
    db.execute(
        f"INSERT INTO recordings ({columns}) VALUES ({places}) ON CONFLICT (id, model_sha256) DO UPDATE SET {changes}",
        values,
    )
    db.execute("INSERT OR REPLACE INTO glance VALUES (?, ?)", (done.glance, facts.id))
