"""Which files were analysed: by which model, under which settings, and how to recognise them.

A file is recognised by its content. A later analysis can replace an earlier one: under other settings, or when more of
the file is there. See docs/decisions/0014-identity-of-recordings-and-reanalysis.md.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import TypeVar
from uuid import UUID, uuid4, uuid5

from anura_edge.audio import Recording
from anura_edge.errors import JournalFullError
from anura_edge.events import NAMESPACE, Effort, Event, Notice, NoticeKind
from anura_edge.store.database import Database
from anura_edge.wire import MAX_TEXT

T = TypeVar("T", Event, Effort)

FINGERPRINTS_PER_COMMIT = 1_000
"""The number of quick fingerprints that are stored in one transaction."""


@dataclass(frozen=True, slots=True)
class AnalysedFile:
    """A file that was analysed to its end, and how to recognise it."""

    recording: Recording
    size_bytes: int
    head: str | None
    """Fingerprint of the start of the file. None where the file begins without sound: other files begin alike."""
    fingerprint: bytes
    """See `sources.files.identity.quick_fingerprint`."""
    is_whole: bool
    """All audio that the header promises was readable."""
    replaces: str | None = None
    """Id of the recording, perhaps the same, whose analysis this one replaces."""
    analysis: UUID = field(default_factory=uuid4)
    """Id of this analysis."""


@dataclass(frozen=True, slots=True)
class PreviousAnalysis:
    """The last analysis of a recording by the model."""

    recording: str
    config_hash: str
    size_bytes: int
    is_whole: bool
    is_replaced: bool
    """A longer file, or another copy, was analysed in its place."""


class ScanHistory:
    """The files that one model has analysed. Threads may share it. Each call is one transaction.

    Each call raises JournalError if the journal cannot be used.
    """

    def __init__(self, database: Database, model_sha256: str) -> None:
        self._database, self._model_sha256 = database, model_sha256
        self._fingerprints: dict[bytes, str] = {}
        """Quick fingerprints that are not stored yet, with the id of their recording."""

    def find_unchanged(self, fingerprint: bytes) -> PreviousAnalysis | None:
        """Return the last analysis of a file by its quick fingerprint, without reading much of the file."""
        return self._find("id = (SELECT recording FROM glance WHERE id = ?) AND model_sha256 = ?", fingerprint)

    def find(self, recording: str, head: str | None = None) -> PreviousAnalysis | None:
        """Return the last analysis of this content, else of the longest file with this head, else None."""
        if previous := self._find("id = ? AND model_sha256 = ?", recording):
            return previous
        same_head = "head = ? AND model_sha256 = ? AND replaced_by IS NULL ORDER BY size DESC"
        return self._find(same_head, head) if head else None

    def add_fingerprint(self, fingerprint: bytes, recording: str) -> None:
        """Record which recording a file contains: the next scan of the file is faster. It is stored later."""
        self._fingerprints[fingerprint] = recording
        if len(self._fingerprints) >= FINGERPRINTS_PER_COMMIT:
            self.flush()

    def flush(self) -> None:
        """Store the fingerprints that wait. On a full disk they are dropped: the next scan only takes longer."""
        if self._fingerprints:
            with suppress(JournalFullError), self._database.transaction() as db:
                db.executemany("INSERT OR REPLACE INTO glance VALUES (?, ?)", self._fingerprints.items())
            self._fingerprints = {}

    def _find(self, condition: str, key: str | bytes) -> PreviousAnalysis | None:
        query = f"SELECT id, config_hash, size, is_whole, replaced_by FROM recordings WHERE {condition} LIMIT 1"
        with self._database.reading() as db:
            found = db.execute(query, (key, self._model_sha256)).fetchone()
        if not found:
            return None
        recording, config_hash, size, is_whole, replaced_by = found
        return PreviousAnalysis(recording, config_hash, size, bool(is_whole), is_replaced=replaced_by is not None)


def withdraw(db: Connection, done: AnalysedFile, model_sha256: str) -> Notice:
    """Mark the rows of the analysis that a file replaces as withdrawn, and return the notice about it.

    The notice must get its number before the new rows: it withdraws the rows with lower numbers.
    """
    old, new = done.replaces, done.recording.id
    replaced = set[str]()
    for table in ("event", "effort"):
        update = f"UPDATE {table} SET withdrawn = 1 WHERE recording = ? AND model_sha256 = ? RETURNING analysis"
        replaced |= {analysis for (analysis,) in db.execute(update, (old, model_sha256))}
    query = """
        UPDATE recordings SET hearings = hearings + 1, replaced_by = nullif(?, id) WHERE id = ? AND model_sha256 = ?
        RETURNING hearings
    """
    ((analyses,),) = db.execute(query, (new, old, model_sha256)).fetchall()
    id_ = uuid5(NAMESPACE, f"withdrawn/{old}/{model_sha256}/{analyses}")
    reason = "analysed again under other settings" if old == new else "more of it, or another copy, was analysed"
    detail = f"{done.recording.name[-MAX_TEXT // 2 :]}: {reason}"
    return Notice(
        id_,
        NoticeKind.WITHDRAWN,
        datetime.now(UTC),
        detail,
        recording=old or "",
        replaced_by="" if old == new else new,
        replaces=tuple(map(UUID, sorted(replaced))),
        analysis=done.analysis,
    )


def with_revision_id(row: T, withdrawal: Notice | None) -> T:
    """Return a row of a second analysis with another id: the first analysis has used the row's id."""
    return replace(row, id=uuid5(withdrawal.id, str(row.id))) if withdrawal else row


def mark_done(db: Connection, done: AnalysedFile, model_sha256: str, config_hash: str) -> None:
    """Record that a file was analysed to its end."""
    recording = done.recording
    values = {
        "id": recording.id,
        "model_sha256": model_sha256,
        "name": recording.name,
        "start_utc": recording.start_utc.isoformat(),
        "clock_source": recording.clock_source,
        "rate_hz": recording.rate_hz,
        "channels": recording.channels,
        "config_hash": config_hash,
        "size": done.size_bytes,
        "head": done.head,
        "is_whole": done.is_whole,
    }
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("id", "model_sha256"))
    db.execute(
        f"INSERT INTO recordings ({columns}) VALUES ({places}) ON CONFLICT (id, model_sha256) DO UPDATE SET {changes}",
        values,
    )
    db.execute("INSERT OR REPLACE INTO glance VALUES (?, ?)", (done.fingerprint, recording.id))
