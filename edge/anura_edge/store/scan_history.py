"""Which files were analysed: by which model, under which settings, and how to recognise them.

A file is recognised by its content. A later analysis can replace an earlier one: under other settings, or when more of
the file is there. See docs/decisions/0023-identity-ownership-and-acknowledgement.md.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any
from uuid import UUID, uuid4, uuid5

from anura_edge.audio import Recording
from anura_edge.errors import JournalFullError
from anura_edge.events import NAMESPACE, Notice, NoticeKind
from anura_edge.sources.files.former_identity import FormerIdentity
from anura_edge.sources.files.identity import AudioIdentity, is_same_recording
from anura_edge.store.database import Database
from anura_edge.store.integrity import STATES
from anura_edge.wire import MAX_TEXT, EffortRow, EventRow, Owner
from anura_edge.wire.rows import MAX_REPLACED

MARKS_PER_COMMIT = 1_000
"""The number of quick fingerprints and adopted marks that are stored in one transaction."""

MAX_CANDIDATES = 200
"""Recordings that are compared with a new one. Those of the same recorder and start are few."""

_IDENTITY = ("audio_id", "audio_format", "audio_bytes", "probes", "has_signal", "head", "named_start")
"""The columns of an `AudioIdentity`. They are NULL in marks of earlier versions."""

_TYPES = (str, str, int, bytes, int, str | None, str)


@dataclass(frozen=True, slots=True)
class AnalysedFile:
    """A file that was analysed to its end, and how to recognise it."""

    recording: Recording
    size_bytes: int
    identity: AudioIdentity
    fingerprint: bytes | None
    """See `sources.files.identity.quick_fingerprint`."""
    is_whole: bool
    """All audio that the header promises was readable."""
    replaces: str | None = None
    """Id of the recording, perhaps the same, whose analysis this one replaces."""
    analysis: UUID = field(default_factory=uuid4)
    """Id of this analysis."""
    owner: Owner | None = None
    """Whose the rows are. None: the owner of the journal."""


@dataclass(frozen=True, slots=True)
class PreviousAnalysis:
    """The last analysis of a recording by the model."""

    recording: str
    config_hash: str
    is_whole: bool
    is_replaced: bool
    """A longer file, or another copy, was analysed in its place."""
    is_same: bool = True
    """Its audio was the same. Else it was a part, a longer or a damaged copy."""
    is_better: bool = False
    """It contained more audio, or the same with less damage."""
    is_former: bool = False
    """An earlier version of the program made it, which identified files in another way."""


class ScanHistory:
    """The files that one model has analysed. Threads may share it. Each call is one transaction.

    Each call raises JournalError if the journal cannot be used.
    """

    def __init__(self, database: Database, model_sha256: str) -> None:
        self._database, self._model_sha256 = database, model_sha256
        self._fingerprints: dict[bytes, str] = {}
        """Quick fingerprints that are not stored yet, with the id of their recording."""
        self._adopted: dict[str, AudioIdentity] = {}
        """Identities that are not stored yet, by the id of a mark of an earlier version."""
        marks = "SELECT EXISTS (SELECT 1 FROM recordings WHERE audio_id IS NULL AND model_sha256 = ?)"
        self.has_former_marks = bool(database.number(marks, [model_sha256]))
        """Whether an earlier version of the program has analysed files. It identified them in another way."""

    def find_unchanged(self, fingerprint: bytes) -> PreviousAnalysis | None:
        """Return the last analysis of a file by its quick fingerprint, without reading much of the file."""
        return self._find("id = (SELECT recording FROM glance WHERE id = ?)", fingerprint)

    def find(self, identity: AudioIdentity) -> PreviousAnalysis | None:
        """Return the last analysis of this audio, else of the best part or copy of it, else None."""
        if previous := self._find("audio_id = ?", identity.id):
            return previous
        for recording, other in self._candidates(identity):
            if is_same_recording(identity, other):
                is_better = (other.audio_bytes, other.signal_probes) > (identity.audio_bytes, identity.signal_probes)
                if previous := self._find("id = ?", recording):
                    return replace(previous, is_same=False, is_better=is_better)
        return None

    def find_former(self, former: FormerIdentity) -> PreviousAnalysis | None:
        """Return the last analysis by an earlier version of the program."""
        if previous := self._find("audio_id IS NULL AND id = ?", former.id):
            return replace(previous, is_former=True)
        condition = "audio_id IS NULL AND replaced_by IS NULL AND head = ? ORDER BY size DESC"
        if not (previous := self._find(condition, former.head)):
            return None
        query = "SELECT size FROM recordings WHERE id = ? AND model_sha256 = ?"
        size = self._database.number(query, [previous.recording, self._model_sha256])
        return replace(previous, is_same=False, is_better=size > former.file_bytes, is_former=True)

    def add_fingerprint(self, fingerprint: bytes, recording: str) -> None:
        """Record which recording a file contains: the next scan of the file is faster. It is stored later."""
        self._fingerprints[fingerprint] = recording
        self._flush_if_many()

    def adopt(self, recording: str, identity: AudioIdentity) -> None:
        """Record the identity of a recording that an earlier version has analysed. It is stored later."""
        self._adopted[recording] = identity
        self._flush_if_many()

    def flush(self) -> None:
        """Store what waits. On a full disk it is dropped: the next scan only takes longer."""
        if not (self._fingerprints or self._adopted):
            return
        changes = ", ".join(f"{name} = ?" for name in _IDENTITY)
        adopted = [(*_columns(each), id_, self._model_sha256) for id_, each in self._adopted.items()]
        with suppress(JournalFullError), self._database.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO glance VALUES (?, ?)", self._fingerprints.items())
            db.executemany(f"UPDATE recordings SET {changes} WHERE id = ? AND model_sha256 = ?", adopted)
        self._fingerprints, self._adopted = {}, {}

    def _flush_if_many(self) -> None:
        if len(self._fingerprints) + len(self._adopted) >= MARKS_PER_COMMIT:
            self.flush()

    def _candidates(self, identity: AudioIdentity) -> list[tuple[str, AudioIdentity]]:
        """Return recordings that may be the same: they begin equally, or their names have the same time."""
        found: dict[str, AudioIdentity] = {}
        for column, key in (("named_start", identity.named_start), ("head", identity.head)):
            query = (
                f"SELECT id, {', '.join(_IDENTITY)} FROM recordings WHERE {column} = ? AND model_sha256 = ?"
                f" AND replaced_by IS NULL AND audio_id IS NOT NULL ORDER BY audio_bytes DESC LIMIT {MAX_CANDIDATES}"
            )
            with self._database.reading() as db:
                rows = db.execute(query, (key, self._model_sha256)).fetchall() if key else []
                found |= {id_: _to_identity(values) for id_, *values in rows}
        return sorted(found.items(), key=lambda each: each[1].audio_bytes, reverse=True)

    def _find(self, condition: str, key: str | bytes | None) -> PreviousAnalysis | None:
        query = f"SELECT id, config_hash, is_whole, replaced_by FROM recordings WHERE model_sha256 = ? AND {condition}"
        with self._database.reading() as db:
            found = db.execute(f"{query} LIMIT 1", (self._model_sha256, key)).fetchone()
        if not found:
            return None
        recording, config_hash, is_whole, replaced_by = found
        return PreviousAnalysis(recording, config_hash, bool(is_whole), is_replaced=replaced_by is not None)


def _to_identity(values: Sequence[Any]) -> AudioIdentity:
    """Return the identity in the columns of _IDENTITY.

    Raises ValueError if damage has changed them.
    """
    are_valid = all(isinstance(value, kind) for value, kind in zip(values, _TYPES, strict=True))
    if not are_valid or len(values[_IDENTITY.index("probes")]) % 4:
        raise ValueError(f"the identity of a recording is damaged: {values[0]!r}")
    return AudioIdentity(*values)


def _columns(identity: AudioIdentity) -> tuple[str | int | bytes | None, ...]:
    """Return the values of the columns in _IDENTITY."""
    return (
        identity.id,
        identity.audio_format,
        identity.audio_bytes,
        identity.probes,
        identity.has_signal,
        identity.head,
        identity.named_start,
    )


def replace_analyses(db: Connection, done: AnalysedFile, model_sha256: str) -> Notice | None:
    """Delete the rows of earlier analyses of a file, and return the notice about it; None for a first analysis.

    They may be of the same recording, of the one that `done` replaces, or of a file whose mark was lost. Rows that were
    delivered stay at the base station, which keeps them apart from those that count.
    """
    new, old = done.recording.id, done.replaces or done.recording.id
    replaced = delete_analyses(db, (new, old), model_sha256)
    if not replaced and not done.replaces:
        return None
    update = "UPDATE recordings SET replaced_by = nullif(?, id) WHERE id = ? AND model_sha256 = ?"
    db.execute(update, (new, old, model_sha256))
    reason = "analysed again" if old == new else "more of it, or another copy, was analysed"
    notice = withdrawal(old, done.recording.name, reason, replaced, done.analysis)
    return notice if old == new else replace(notice, replaced_by=new)


def delete_analyses(db: Connection, recordings: Sequence[str], model_sha256: str) -> set[str]:
    """Delete the rows that a model made of some recordings. Return the analyses that are no longer valid."""
    values = json.dumps([*recordings]), model_sha256
    query = "SELECT analysis FROM recordings WHERE id IN (SELECT value FROM json_each(?)) AND model_sha256 = ?"
    replaced = {analysis for (analysis,) in db.execute(query, values) if analysis}
    for kind in (EventRow.kind, EffortRow.kind):
        where = "recording IN (SELECT value FROM json_each(?)) AND model_sha256 = ?"
        deleted = db.execute(f"DELETE FROM {kind} WHERE {where} RETURNING id, analysis", values).fetchall()
        replaced |= {analysis for _, analysis in deleted}
        ids = json.dumps([id_ for id_, _ in deleted])
        for table in STATES if deleted else ():
            db.execute(f"DELETE FROM {table} WHERE kind = ? AND id IN (SELECT value FROM json_each(?))", (kind, ids))
    return replaced


def withdrawal(recording: str, name: str, reason: str, replaced: Iterable[str], analysis: UUID) -> Notice:
    """Return the notice that another analysis of a recording is valid instead of earlier ones."""
    return Notice(
        uuid5(NAMESPACE, f"withdrawn/{analysis}"),
        NoticeKind.WITHDRAWN,
        datetime.now(UTC),
        f"{name[-MAX_TEXT // 2 :]}: {reason}",
        recording=recording,
        replaces=tuple(map(UUID, sorted(replaced)))[-MAX_REPLACED:],
        analysis=analysis,
    )


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
        "is_whole": done.is_whole,
        "analysis": str(done.analysis),
        "replaced_by": None,
        **dict(zip(_IDENTITY, _columns(done.identity), strict=True)),
    }
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("id", "model_sha256"))
    db.execute(
        f"INSERT INTO recordings ({columns}) VALUES ({places}) ON CONFLICT (id, model_sha256) DO UPDATE SET {changes}",
        values,
    )
    if done.fingerprint:
        db.execute("INSERT OR REPLACE INTO glance VALUES (?, ?)", (done.fingerprint, recording.id))
