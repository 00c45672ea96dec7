"""A journal with flipped bits opens again. Each row is there, or its recording is analysed again."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from identities import make_identity

from anura_edge.audio import ClockSource, Recording
from anura_edge.errors import JournalDamagedError
from anura_edge.events import Effort, Event, Notice, NoticeKind
from anura_edge.store.journal import DEVICE_PROVENANCE, Journal
from anura_edge.store.recovery import open_journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.wire import Provenance

START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
RECORDINGS = [f"{n:032x}" for n in range(12)]


@dataclass(frozen=True, slots=True)
class Original:
    """The files of a journal, and the ids of its rows by recording."""

    main: bytes
    wal: bytes
    rows: dict[str, set[UUID]]


@pytest.fixture(scope="module")
def original(
    tmp_path_factory: pytest.TempPathFactory,
    make_event: Callable[..., Event],
    make_effort: Callable[..., Effort],
    provenance: Provenance,
) -> Original:
    path = tmp_path_factory.mktemp("original") / "journal.db"
    with closing(Journal(path)) as journal:
        for name in RECORDINGS:
            recording = Recording(name, "A_20261120_193000.wav", START, ClockSource.RECORDER, 8_000, 1, 80_000)
            done = AnalysedFile(recording, 1_000, make_identity(name), name.encode(), is_whole=True)
            journal.commit([make_event(n, name) for n in range(8)], [make_effort(0, name)], provenance, done)
            if name == RECORDINGS[7]:
                journal.database.number("PRAGMA wal_checkpoint(TRUNCATE)")
        journal.outbox.mark_delivered(range(1, 30))
        journal.dead_letter(40, "too large")
        notice = Notice(uuid4(), NoticeKind.DISK_LOW, START, "low", amount=1.0)
        journal.commit([], [], DEVICE_PROVENANCE, notices=[notice])
        journal.commit([], [], provenance, progress=[replace(make_effort(0, "live"), clock_source=ClockSource.SYSTEM)])
        main, wal = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    rows: dict[str, set[UUID]] = {}
    with closing(sqlite3.connect(path)) as db:
        for kind in ("event", "effort"):
            for id_, recording_id in db.execute(f"SELECT id, recording FROM {kind}"):
                rows.setdefault(recording_id, set()).add(UUID(id_))
    return Original(main, wal, rows)


def use(journal: Journal, provenance: Provenance, make_event: Callable[..., Event]) -> None:
    """Use each part of a journal, as the program does."""
    journal.outbox.base()
    journal.outbox.pending(0, 10**6)
    journal.finalise_open_effort()
    history = ScanHistory(journal.database, provenance.model_sha256)
    for name in RECORDINGS:
        history.find(make_identity(name))
    assert journal.commit([make_event(10**6, "new")], [], provenance)


ROUNDS = int(os.environ.get("ANURA_FLIPS", "60"))
"""Flipped bits that are tried: `ANURA_FLIPS=600` for a longer run."""


def test_any_flipped_bit_is_survived_and_accounted_for(
    tmp_path: Path, original: Original, make_event: Callable[..., Event], provenance: Provenance
) -> None:
    for seed in range(ROUNDS):
        path, chance = tmp_path / str(seed) / "journal.db", random.Random(seed)
        path.parent.mkdir()
        main, wal = bytearray(original.main), bytearray(original.wal)
        target = chance.choice([main, wal])
        for _ in range(chance.choice([1, 1, 1, 3])):
            position = chance.randrange(8 * len(target))
            target[position // 8] ^= 1 << position % 8
        path.write_bytes(main)
        path.with_name("journal.db-wal").write_bytes(wal)
        try:
            check_opens_and_accounts(path, original, provenance, make_event, in_wal=target is wal)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        shutil.rmtree(path.parent)


def check_opens_and_accounts(
    path: Path, original: Original, provenance: Provenance, make_event: Callable[..., Event], *, in_wal: bool
) -> None:
    """Open a damaged journal as restarts of the program do, and account for each row."""
    for _ in range(3):
        try:
            with closing(open_journal(path)) as journal:
                use(journal, provenance, make_event)
                there = {each.row.id for each in journal.outbox.pending(0, 10**6)}
                with journal.database.reading() as db:
                    for table in ("settled", "dead_letter"):
                        there |= {UUID(id_) for (id_,) in db.execute(f"SELECT id FROM {table}")}
                history = ScanHistory(journal.database, provenance.model_sha256)
                marked = {name for name in RECORDINGS if history.find(make_identity(name))}
                notices = [each.row for each in journal.outbox.pending(0, 10**6) if each.row.kind == "notice"]
            break
        except JournalDamagedError:
            continue
    else:
        pytest.fail("it does not start again")
    is_told = any(row.what == NoticeKind.JOURNAL_SALVAGED for row in notices)
    for name, ids in original.rows.items():
        # A torn write-ahead log ends the journal earlier, and the marks of later recordings with it.
        assert ids <= there or (name not in marked and (is_told or in_wal)), f"{len(ids - there)} rows of {name}"
    with closing(open_journal(path)) as journal:  # the next start needs no recovery
        use(journal, provenance, lambda *_: make_event(10**7, "newer"))
