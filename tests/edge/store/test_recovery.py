"""A damaged journal is renamed, never deleted, and its readable rows are copied."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from identities import make_identity

from anura_edge.audio import ClockSource, Recording
from anura_edge.errors import JournalDamagedError
from anura_edge.events import Effort, Event, NoticeKind
from anura_edge.store.database import damaged_mark
from anura_edge.store.journal import Journal
from anura_edge.store.recovery import open_journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.wire import NoticeRow, Provenance

MakeEvent = Callable[..., Event]
MakeEffort = Callable[..., Effort]

PAGE = 4_096
START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)

ON_SMALL_DISKS = """
import os, shutil, sys
from contextlib import closing
from pathlib import Path
from anura_edge.errors import JournalError
from anura_edge.store.database import damaged_mark
from anura_edge.store.recovery import open_journal
damaged, disk = map(Path, sys.argv[1:])
path, ballast = disk / "journal.db", disk / "ballast"
for free in range(1, 9):  # in thirds of the journal
    for file in disk.iterdir():
        file.unlink()
    shutil.copy(damaged, path)
    damaged_mark(path).touch()
    left = os.statvfs(disk)
    ballast.write_bytes(bytes(left.f_bavail * left.f_frsize - damaged.stat().st_size * free // 3))
    try:
        open_journal(path).close()
        print("opened", end=" ")
    except JournalError:
        print("refused", end=" ")
    ballast.unlink()
    with closing(open_journal(path)) as journal:
        print(len(journal.event_ids()))
"""


def fill(path: Path, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance, rows: int = 600) -> None:
    """Write a journal. The first third is delivered, and one row is refused."""
    with closing(Journal(path)) as journal:
        journal.commit([make_event(n) for n in range(rows)], [make_effort(n) for n in range(20)], provenance)
        journal.outbox.mark_delivered(range(1, rows // 3 + 1))
        journal.dead_letter(rows // 3 + 1, "too large")


def ids(journal: Journal) -> set[str]:
    return {str(row.id) for row in [each.row for each in journal.outbox.pending(0, 10**6)]}


def test_undamaged_journal_is_opened_unchanged(
    tmp_path: Path, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    path = tmp_path / "journal.db"
    fill(path, make_event, make_effort, provenance)
    with closing(open_journal(path)) as journal:
        assert len(journal.event_ids()) == 600
    assert [file.name for file in tmp_path.iterdir()] == ["journal.db"]


def test_readable_rows_are_copied_and_undelivered_ones_queued(
    tmp_path: Path, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance, recording: Recording
) -> None:
    recording = replace(recording, id="a quiet recording")
    path = tmp_path / "journal.db"
    fill(path, make_event, make_effort, provenance)
    with closing(Journal(path)) as journal:
        journal.commit(
            [], [], provenance, AnalysedFile(recording, 1_000, make_identity(recording.id), b"glance", is_whole=True)
        )
        before, identity, events = ids(journal), journal.id, journal.event_ids()
    damaged_mark(path).touch()  # as after damage that was found in use
    content = path.read_bytes()
    with closing(open_journal(path)) as journal:
        (notice,) = [
            row
            for row in [each.row for each in journal.outbox.pending(0, 10**6)]
            if isinstance(row, NoticeRow) and row.what == "journal_salvaged"
        ]
        assert ids(journal) - {str(notice.id)} == before
        assert (journal.event_ids(), journal.id == identity) == (events, False)
        assert ScanHistory(journal.database, provenance.model_sha256).find(make_identity(recording.id))
        assert journal.outbox.resend(None) == 201
        assert notice.amount == 621
    (aside,) = tmp_path.glob("journal.db.corrupt-*[Zn]")
    assert aside.read_bytes() == content
    assert aside.name in notice.detail
    with closing(open_journal(path)) as journal:
        assert journal.event_ids() == events, "it is recovered once"
    assert len([*tmp_path.glob("journal.db.corrupt-*[Zn]")]) == 1


@pytest.fixture(scope="module")
def filled_journal(
    tmp_path_factory: pytest.TempPathFactory, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> tuple[bytes, set[UUID]]:
    """The content of a journal file, and the ids of its events."""
    path = tmp_path_factory.mktemp("filled") / "journal.db"
    fill(path, make_event, make_effort, provenance)
    with closing(Journal(path)) as journal:
        events = journal.event_ids()
    return path.read_bytes(), events


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damage_costs_only_the_rows_it_hides(
    tmp_path_factory: pytest.TempPathFactory,
    filled_journal: tuple[bytes, set[UUID]],
    make_event: MakeEvent,
    provenance: Provenance,
    data: st.DataObject,
) -> None:
    path, content = tmp_path_factory.mktemp("state") / "journal.db", bytearray(filled_journal[0])
    pages = len(content) // PAGE
    for page in data.draw(st.sets(st.integers(1, pages - 1), min_size=1, max_size=3)):  # the first holds the schema
        content[page * PAGE : (page + 1) * PAGE] = data.draw(st.sampled_from([b"\0", b"\xff"])) * PAGE
    path.write_bytes(content)
    with closing(open_journal(path)) as journal:
        assert journal.event_ids() <= filled_journal[1]
        pending = [each.row for each in journal.outbox.pending(0, 10**6)]
        assert len({row.id for row in pending}) == len(pending)
        rows = journal.commit([make_event(10**6)], [], provenance)
        assert rows, "it can be written"


RECORDINGS = [f"{n:032x}" for n in range(100)]


@pytest.fixture(scope="module")
def journal_of_recordings(
    tmp_path_factory: pytest.TempPathFactory, make_effort: MakeEffort, provenance: Provenance
) -> bytes:
    """The content of a journal file with many analysed recordings."""
    path = tmp_path_factory.mktemp("recordings") / "journal.db"
    with closing(Journal(path)) as journal:
        for name in RECORDINGS:
            recording = Recording(name, "A_20261120_193000.wav", START, ClockSource.RECORDER, 8_000, 1, 80_000)
            done = AnalysedFile(recording, 1_000, make_identity(recording.id), name.encode(), is_whole=True)
            journal.commit([], [make_effort(0, name)], provenance, done)
    return path.read_bytes()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1))
def test_recording_with_lost_rows_is_analysed_again(
    tmp_path_factory: pytest.TempPathFactory,
    journal_of_recordings: bytes,
    provenance: Provenance,
    where: float,
    seed: int,
) -> None:
    path, content = tmp_path_factory.mktemp("state") / "journal.db", bytearray(journal_of_recordings)
    at = PAGE + int(where * (len(content) - PAGE))
    content[at : at + 20_000] = np.random.default_rng(seed).bytes(min(20_000, len(content) - at))
    path.write_bytes(content)
    for _ in range(2):  # only a reader finds a flipped byte inside a value: then the next start recovers the journal
        with closing(open_journal(path)) as journal, suppress(JournalDamagedError):
            rows = {row.recording for row in [each.row for each in journal.outbox.pending(0, 10**6)]}
            history = ScanHistory(journal.database, provenance.model_sha256)
            assert {name for name in RECORDINGS if history.find(make_identity(name))} <= rows
            break
    else:
        pytest.fail("the second start should have recovered it")


def test_damaged_journals_get_different_names(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for number in range(3):
        path.write_bytes(f"not a database at all {number}".encode() * 100)
        open_journal(path).close()
    assert len({file.read_bytes() for file in tmp_path.glob("journal.db.corrupt-*")}) == 3


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_unreadable_journal_is_renamed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with closing(open_journal(path)) as journal:
        (notice,) = [each.row for each in journal.outbox.pending(0, 9)]
        assert isinstance(notice, NoticeRow)
        assert notice.what == NoticeKind.JOURNAL_SALVAGED
        assert "the rest cannot be read" in notice.detail
    (aside,) = tmp_path.glob("journal.db.corrupt-*[Zn]")
    assert aside.read_bytes() == content


def test_journal_without_identity_is_copied_whole(
    tmp_path: Path, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    path = tmp_path / "journal.db"
    fill(path, make_event, make_effort, provenance)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM journal")
        db.commit()
    with pytest.raises(JournalDamagedError, match="identity"):
        Journal(path)
    with closing(open_journal(path)) as journal:
        assert len(journal.event_ids()) == 600


@pytest.mark.parametrize("renamed", [False, True])
def test_power_cut_during_recovery_costs_nothing(
    tmp_path: Path, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance, renamed: bool
) -> None:
    path, fresh = tmp_path / "journal.db", tmp_path / "journal.db.fresh"
    fill(path, make_event, make_effort, provenance)
    damaged_mark(path).touch()
    if renamed:  # the new journal was complete, and the old one had its new name
        fill(fresh, make_event, make_effort, provenance)
        path.rename(tmp_path / "journal.db.corrupt-then")
    else:  # the new journal was half written
        fresh.write_bytes(path.read_bytes()[: 3 * PAGE])
    with closing(open_journal(path)) as journal:
        assert len(journal.event_ids()) == 600
    assert not fresh.exists()
    assert not damaged_mark(path).exists()
    assert [*tmp_path.glob("journal.db.corrupt-*[Zn]")]


def test_full_disk_during_recovery_costs_no_row(
    tmp_path: Path, make_event: MakeEvent, make_effort: MakeEffort, provenance: Provenance
) -> None:
    path, disk = tmp_path / "journal.db", tmp_path / "disk"
    fill(path, make_event, make_effort, provenance)
    disk.mkdir()
    mount = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"', str(disk)]
    if not shutil.which("unshare") or subprocess.run([*mount, "true"], check=False).returncode:
        pytest.skip("needs a small disk of its own: unshare -rm and mount -t tmpfs")
    command = [*mount, sys.executable, "-c", ON_SMALL_DISKS, str(path), str(disk)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()) == {"refused 600", "opened 600"}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damaged_wal_tail_costs_only_later_commits(
    tmp_path_factory: pytest.TempPathFactory, make_event: MakeEvent, provenance: Provenance, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("state")
    with closing(Journal(folder / "live.db")) as journal:
        sizes = []
        for n in range(8):
            journal.commit([make_event(n)], [], provenance)
            sizes.append((folder / "live.db-wal").stat().st_size)
        main, wal = (folder / "live.db").read_bytes(), bytearray((folder / "live.db-wal").read_bytes())
    tear = data.draw(st.integers(sizes[0], len(wal) - 1))
    if data.draw(st.booleans()):
        wal = wal[:tear]
    else:
        wal[tear] ^= 1 << data.draw(st.integers(0, 7))
    (folder / "journal.db").write_bytes(main)
    (folder / "journal.db-wal").write_bytes(wal)
    with closing(open_journal(folder / "journal.db")) as journal:
        there = sum(size <= tear for size in sizes)
        assert {make_event(n).id for n in range(there)} <= journal.event_ids()
        assert not [*folder.glob("journal.db.corrupt-*[Zn]")]
