"""Flips random bits in a journal or its write-ahead log. Each row must be there, or its recording not be marked."""

import random
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

from identities import make_identity

from anura_edge.audio import ClockSource, Recording
from anura_edge.errors import JournalDamagedError
from anura_edge.events import Notice, NoticeKind
from anura_edge.store.journal import DEVICE_PROVENANCE, Journal
from anura_edge.store.recovery import open_journal
from anura_edge.store.scan_history import AnalysedFile, ScanHistory
from anura_edge.wire import NoticeRow
from faultlab.recordings import MODEL, make_effort, make_events, make_provenance

START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
RECORDINGS = [Recording(f"{n:032x}", f"A_{n}.wav", START, ClockSource.RECORDER, 8_000, 1, 80_000) for n in range(12)]
THRESHOLD = 12
"""So that each recording has nine events."""

MAX_STARTS = 3
"""Damage that the first start does not see ends the program once."""

File = Literal["database", "WAL"]


@dataclass(frozen=True, slots=True)
class Original:
    """The files of a journal, and the ids of its rows by recording."""

    main: bytes
    wal: bytes
    rows: Mapping[str, set[UUID]]


@dataclass(slots=True)
class FlipReport:
    """The result of many flipped bits. The counts that `violations` names must be 0."""

    rounds: int = 0
    heard_again: int = 0
    """Recordings that lost rows and their mark, so that their card is analysed again."""
    lost: int = 0
    """Rows that are not there, although their recording is marked as analysed, or although the card was read again."""
    untold: int = 0
    """Damaged databases that lost rows without a notice."""
    stuck: int = 0
    """Journals that do not open again."""

    def __iadd__(self, other: "FlipReport") -> "FlipReport":
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    @property
    def violations(self) -> dict[str, int]:
        """The counts that are not 0 and must be."""
        return {name: count for name in ("lost", "untold", "stuck") if (count := getattr(self, name))}


def make_original(folder: Path) -> Original:
    """Write a journal with rows in each state. A part of it is only in its write-ahead log."""
    path = folder / "journal.db"
    with closing(Journal(path)) as journal:
        for number, recording in enumerate(RECORDINGS):
            _analyse(journal, recording)
            if number == 7:
                journal.database.number("PRAGMA wal_checkpoint(TRUNCATE)")
        journal.outbox.mark_delivered(range(1, 30))
        journal.dead_letter(40, "too large")
        notice = Notice(uuid4(), NoticeKind.DISK_LOW, START, "low", amount=1.0)
        journal.commit([], [], DEVICE_PROVENANCE, notices=[notice])
        live = make_effort(replace(RECORDINGS[0], id="live"), START)
        journal.commit([], [], make_provenance(), progress=[replace(live, clock_source=ClockSource.SYSTEM)])
        main, wal = path.read_bytes(), path.with_name("journal.db-wal").read_bytes()
    rows: dict[str, set[UUID]] = {}
    with closing(sqlite3.connect(path)) as db:
        for kind in ("event", "effort"):
            for id_, recording in db.execute(f"SELECT id, recording FROM {kind}"):
                rows.setdefault(recording, set()).add(UUID(id_))
    return Original(main, wal, rows)


def flip_bits(file: File, count: int, seed: int, *, has_card: bool) -> FlipReport:
    """Damage a journal many times, each time from the original. With `has_card`, the recordings can be read again."""
    report = FlipReport()
    with tempfile.TemporaryDirectory(prefix="anura-flips-") as folder:
        original = make_original(Path(folder))
        for number in range(count):
            with tempfile.TemporaryDirectory(prefix="anura-flip-") as damaged:
                path = Path(damaged) / "journal.db"
                _write_damaged(path, original, file, random.Random(seed + number))
                found = _open_and_account(path, original, file, has_card=has_card)
            if found.violations:
                print(f"seed {seed + number}, {file}: {found.violations}")
            report += found
    return report


def _write_damaged(path: Path, original: Original, file: File, chance: random.Random) -> None:
    main, wal = bytearray(original.main), bytearray(original.wal)
    target = main if file == "database" else wal
    for _ in range(chance.choice([1, 1, 1, 3])):
        position = chance.randrange(8 * len(target))
        target[position // 8] ^= 1 << position % 8
    path.write_bytes(main)
    path.with_name("journal.db-wal").write_bytes(wal)


def _open_and_account(path: Path, original: Original, file: File, *, has_card: bool) -> FlipReport:
    """Open a damaged journal as restarts of the program do, and account for each row."""
    report = FlipReport(rounds=1)
    for _ in range(MAX_STARTS):
        try:
            with closing(open_journal(path)) as journal:
                _use(journal)
                marked, is_told = _marked(journal), _is_told(journal)
                lost = _lost(journal, original)
                if has_card:
                    for recording in RECORDINGS:
                        if recording.id not in marked:
                            _analyse(journal, recording)
                    report.lost += sum(map(len, _lost(journal, original).values()))
            break
        except JournalDamagedError:
            continue
    else:
        return FlipReport(rounds=1, stuck=1)
    report.heard_again += len(lost.keys() - marked)
    report.lost += sum(len(ids) for name, ids in lost.items() if name in marked)
    # A torn write-ahead log ends the journal earlier, and the marks of later recordings with it.
    report.untold += bool(lost) and not is_told and file == "database"
    with closing(open_journal(path)) as journal:  # the next start needs no recovery
        _use(journal)
    return report


def _analyse(journal: Journal, recording: Recording) -> None:
    done = AnalysedFile(recording, 1_000, make_identity(recording.id), recording.id.encode(), is_whole=True)
    events = make_events(recording, THRESHOLD, START)
    journal.commit(events, [make_effort(recording, START)], make_provenance(), done)


def _use(journal: Journal) -> None:
    """Use each part of a journal, as the program does."""
    journal.outbox.base()
    journal.outbox.pending(0, 10**6)
    journal.finalise_open_effort()
    _marked(journal)
    new = replace(RECORDINGS[0], id=uuid4().hex, samples=1)
    assert journal.commit(make_events(new, THRESHOLD, START), [], make_provenance())


def _marked(journal: Journal) -> set[str]:
    history = ScanHistory(journal.database, MODEL)
    return {each.id for each in RECORDINGS if history.find(make_identity(each.id))}


def _is_told(journal: Journal) -> bool:
    rows = (each.row for each in journal.outbox.pending(0, 10**6))
    return any(isinstance(row, NoticeRow) and row.what == NoticeKind.JOURNAL_SALVAGED for row in rows)


def _lost(journal: Journal, original: Original) -> Mapping[str, set[UUID]]:
    """Return the ids of the original's rows that are not there, by recording."""
    there = {each.row.id for each in journal.outbox.pending(0, 10**6)}
    with journal.database.reading() as db:
        for table in ("settled", "dead_letter"):
            there |= {UUID(id_) for (id_,) in db.execute(f"SELECT id FROM {table}")}
    return {name: ids - there for name, ids in original.rows.items() if ids - there}
