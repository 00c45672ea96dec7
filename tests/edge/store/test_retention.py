"""Pending rows are deleted last, and each deleted one is counted."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

import pytest

from anura_edge.config.operation import JournalSettings
from anura_edge.events import Effort, Event
from anura_edge.store import retention as retention_module
from anura_edge.store import rows as rows_module
from anura_edge.store.journal import Journal
from anura_edge.store.retention import STEP_ROWS, Retention
from anura_edge.wire import EventRow, NoticeRow, Provenance

DAY_S = 86_400.0


@dataclass
class RunningClock:
    """Monotonic time, which a test moves."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def journal(
    tmp_path: Path, make_event: Callable[..., Event], make_effort: Callable[..., Effort], provenance: Provenance
) -> Iterator[Journal]:
    """4,800 events, 600 of them delivered, and 600 rows of effort: above 2 MB."""
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.commit([make_event(n) for n in range(4_800)], [make_effort(n) for n in range(600)], provenance)
        journal.outbox.mark_delivered(range(1, 601))
        yield journal


def drain(retention: Retention) -> list[int]:
    steps = []
    while removed := retention.step():
        steps.append(removed)
    return steps


def test_old_delivered_rows_are_deleted_and_pending_rows_stay(journal: Journal) -> None:
    clock = RunningClock()
    retention = Retention(journal.database, JournalSettings(retention_days=30), clock=clock)
    clock.now_s += 20 * DAY_S
    assert drain(retention) == []
    clock = RunningClock(7.0)  # the program starts again
    retention = Retention(journal.database, JournalSettings(retention_days=30), clock=clock)
    clock.now_s += 9 * DAY_S
    assert drain(retention) == []
    clock.now_s += 2 * DAY_S
    assert drain(retention) == [STEP_ROWS, 100]
    assert (journal.outbox.pending_count(), len(journal.event_ids())) == (4_800, 4_200)
    assert journal.outbox.resend(None) == 0


def test_size_limit_deletes_delivered_then_effort_then_events(
    journal: Journal,
) -> None:
    waiting = {row.seq: row for row in [each.row for each in journal.outbox.pending(0, 10_000)]}
    retention = Retention(journal.database, JournalSettings(max_mb=1))
    deleted_kinds: list[str] = []
    while removed := retention.step():
        left = {row.seq: row for row in [each.row for each in journal.outbox.pending(0, 10_000)]}
        kinds = {row.kind for seq, row in waiting.items() if seq not in left}
        deleted_kinds += [*kinds] or ["delivered"]
        lost = len(waiting.keys() - left.keys())
        notices = [row for row in left.values() if isinstance(row, NoticeRow)]
        assert lost == (removed if kinds else 0)
        waiting = left
        assert sum(row.amount or 0 for row in notices) == 4_800 - sum(row.kind != "notice" for row in left.values())
    assert deleted_kinds[:4] == ["delivered", "delivered", "effort", "effort"]
    assert set(deleted_kinds[4:]) <= {"event"}
    remaining = [row for row in waiting.values() if isinstance(row, EventRow)]
    assert remaining, "the newest stay"
    assert max(row.onset_sample for row in remaining) == 4_799


def test_wrong_clock_deletes_no_row(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    class NextCentury(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2126, 11, 20, tzinfo=tz)

    monkeypatch.setattr(retention_module, "datetime", NextCentury)
    monkeypatch.setattr(rows_module, "datetime", NextCentury)
    journal.outbox.mark_delivered([601])
    retention = Retention(journal.database, JournalSettings(retention_days=1))
    assert drain(retention) == []
    assert len(journal.event_ids()) == 4_800


def test_tick_repeats_steps_until_done(journal: Journal) -> None:
    retention = Retention(journal.database, JournalSettings(retention_days=0))
    for _ in range(5):
        retention.tick()
    assert len(journal.event_ids()) == 4_200


def test_deleted_dead_letters_are_counted(journal: Journal) -> None:
    journal.dead_letter(601, "too large")
    retention = Retention(journal.database, JournalSettings(retention_days=30, max_mb=1))
    events = len(journal.event_ids())
    while not (
        counted := [
            row
            for row in [each.row for each in journal.outbox.pending(0, 10_000)]
            if "were deleted" in getattr(row, "detail", "")
        ]
    ):
        events = len(journal.event_ids())
        assert retention.step()
    (notice,) = counted
    assert isinstance(notice, NoticeRow)
    assert (notice.amount, events - len(journal.event_ids())) == (1, 1)
    assert "the oldest refused rows of the kind event" in notice.detail


def test_large_commits_stay_within_the_limit(
    tmp_path: Path, make_event: Callable[..., Event], provenance: Provenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention_module, "TICK_S", 600.0)  # a slow machine takes more ticks
    with closing(Journal(tmp_path / "large.db")) as journal:
        retention = Retention(journal.database, JournalSettings(max_mb=1))
        for file in range(6):
            journal.commit([make_event(n) for n in range(3_000 * file, 3_000 * (file + 1))], [], provenance)
            retention.tick()
            pages = journal.database.number("PRAGMA page_count") - journal.database.number("PRAGMA freelist_count")
            assert pages * journal.database.number("PRAGMA page_size") <= 1e6
