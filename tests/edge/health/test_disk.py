"""A low disk deletes clips, then pauses saving them, and never stops the analysis."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clips.ranking import make_clip
from anura_edge.clips.store import ClipStore
from anura_edge.config.operation import ClipSettings, DiskSettings
from anura_edge.events import NoticeKind
from anura_edge.health import disk as disk_module
from anura_edge.health.disk import RECOVERY_FACTOR, DiskWatch, shortfall
from anura_edge.store.journal import Journal
from anura_edge.store.writer import ResultWriter
from anura_edge.system.hardware import Space
from anura_edge.wire import NoticeRow, Provenance

LIMITS = DiskSettings(min_free_mb=1, min_free_inodes=100)
PLENTY, LOW, BETWEEN = Space(10**9, 10**6), Space(900_000, 10**6), Space(1_100_000, 10**6)


class SimulatedDisk:
    """The free space of a simulated disk, which may hold a clip store."""

    def __init__(self) -> None:
        self.space = PLENTY
        self.store: ClipStore | None = None

    def __call__(self, _: Path) -> Space:
        used_bytes = sum(clip.size_bytes for clip in self.store.clips) if self.store else 0
        return Space(self.space.free_bytes - used_bytes, self.space.free_inodes)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimulatedDisk:
    disk = SimulatedDisk()
    monkeypatch.setattr(disk_module, "space", disk)
    return disk


@pytest.fixture
def writer(tmp_path: Path, provenance: Provenance) -> Iterator[ResultWriter]:
    journal = Journal(tmp_path / "journal.db")
    yield ResultWriter(journal, provenance, lambda _: None, lambda: None)
    journal.close()


def notices(writer: ResultWriter) -> list[NoticeRow]:
    return [row for row in [each.row for each in writer.journal.outbox.pending(0, 100)] if isinstance(row, NoticeRow)]


@given(st.integers(0, 10**7), st.none() | st.integers(0, 500))
def test_low_disk_ends_a_quarter_above_the_floor(free_bytes: int, inodes: int | None) -> None:
    free = Space(free_bytes, inodes)
    for was_low, factor in ((False, 1.0), (True, RECOVERY_FACTOR)):
        lacking = shortfall(free, LIMITS, was_low=was_low)
        assert free_bytes + lacking.free_bytes >= 1e6 * factor
        assert (lacking.free_bytes > 0) == (free_bytes < 1e6 * factor)
        assert ((lacking.free_inodes or 0) > 0) == (inodes is not None and inodes < 100 * factor)


def test_low_disk_is_one_notice_each_time(writer: ResultWriter, disk: SimulatedDisk, tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, LIMITS, writer, None)
    for space, problem in ((PLENTY, False), (LOW, True), (BETWEEN, True), (LOW, True), (PLENTY, False), (LOW, True)):
        disk.space = space
        watch.check()
        assert bool(watch.problem) == problem
    assert [(row.what, row.amount) for row in notices(writer)] == [(NoticeKind.DISK_LOW, 900_000)] * 2
    assert "the disk is nearly full: 1 MB and room for 1,000,000 files left; make room" in notices(writer)[0].detail


def test_low_inodes_count_as_a_low_disk(writer: ResultWriter, disk: SimulatedDisk, tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, LIMITS, writer, None)
    disk.space = Space(10**9, 99)
    watch.check()
    assert watch.problem
    disk.space = Space(10**9, None)
    watch.check()
    assert not watch.problem


def test_unmounted_disk_is_unknown(writer: ResultWriter) -> None:
    watch = DiskWatch(Path("/nowhere"), LIMITS, writer, None)
    watch.check()
    assert (watch.space, watch.problem) == (None, None)


def test_low_disk_removes_clips_before_it_pauses_saving(
    writer: ResultWriter, disk: SimulatedDisk, tmp_path: Path
) -> None:
    store = ClipStore(tmp_path / "clips", ClipSettings(), UTC)
    for minute in range(10):
        store.add(
            make_clip(datetime(2026, 11, 20, 22, minute, tzinfo=UTC), [("A" * (minute + 1), 0.9)]), bytes(100_000)
        )
    recorder = ClipWriter(ClipSettings(), store, 60)

    disk.store, disk.space = store, Space(1_900_000, 10**6)
    watch = DiskWatch(tmp_path, LIMITS, writer, recorder)
    watch.check()
    assert len(store.clips) == 6, "1.25 MB are free again"
    assert not recorder.is_paused
    assert notices(writer) == []
    disk.space = Space(0, 10**6)
    watch.check()
    assert len(store.clips) == 0
    assert recorder.is_paused
    assert "no clips are saved" in notices(writer)[0].detail
    disk.space = PLENTY
    watch.check()
    assert not recorder.is_paused
