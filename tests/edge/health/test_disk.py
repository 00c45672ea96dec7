"""A disk that fills up costs saved audio, then the saving of audio, and never the hearing."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anura_edge.clips.ranking import make_clip
from anura_edge.clips.recorder import ClipRecorder
from anura_edge.clips.store import ClipStore
from anura_edge.config.device import Config
from anura_edge.config.operation import ClipSettings, DiskSettings
from anura_edge.events import NoticeKind
from anura_edge.health import disk as disk_module
from anura_edge.health.disk import RELIEF, DiskWatch, missing
from anura_edge.store.journal import Journal
from anura_edge.store.writer import ResultWriter
from anura_edge.system.hardware import Space
from anura_edge.wire import NoticeRow, Provenance

FLOOR = DiskSettings(min_free_mb=1, min_free_inodes=100)
PLENTY, LOW, BETWEEN = Space(10**9, 10**6), Space(900_000, 10**6), Space(1_100_000, 10**6)


class Left:
    """What is left of a pretended disk, on which there may be a store."""

    def __init__(self) -> None:
        self.space = PLENTY
        self.store: ClipStore | None = None

    def __call__(self, _: Path) -> Space:
        taken = sum(clip.size_bytes for clip in self.store.clips) if self.store else 0
        return Space(self.space.free_bytes - taken, self.space.free_inodes)


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Left:
    left = Left()
    monkeypatch.setattr(disk_module, "space", left)
    return left


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(state_dir=tmp_path, disk=FLOOR)


@pytest.fixture
def writer(config: Config, provenance: Provenance) -> Iterator[ResultWriter]:
    journal = Journal(config.journal_path)
    yield ResultWriter(journal, provenance, lambda _: None, lambda: None)
    journal.close()


def told(writer: ResultWriter) -> list[NoticeRow]:
    return [row for row in writer.journal.pending(0, 100) if isinstance(row, NoticeRow)]


@given(st.integers(0, 10**7), st.none() | st.integers(0, 500))
def test_low_disk_ends_a_quarter_above_the_floor(free_bytes: int, inodes: int | None) -> None:
    left = Space(free_bytes, inodes)
    for was_low, relief in ((False, 1.0), (True, RELIEF)):
        lacks = missing(left, FLOOR, was_low=was_low)
        assert free_bytes + lacks.free_bytes >= 1e6 * relief
        assert (lacks.free_bytes > 0) == (free_bytes < 1e6 * relief)
        assert ((lacks.free_inodes or 0) > 0) == (inodes is not None and inodes < 100 * relief)


def test_low_disk_is_one_notice_each_time(config: Config, writer: ResultWriter, left: Left) -> None:
    watch = DiskWatch(config, writer, None)
    for space, problem in ((PLENTY, False), (LOW, True), (BETWEEN, True), (LOW, True), (PLENTY, False), (LOW, True)):
        left.space = space
        watch.look()
        assert bool(watch.problem) == problem
    assert [(row.what, row.amount) for row in told(writer)] == [(NoticeKind.DISK_LOW, 900_000)] * 2
    assert "the disk is nearly full: 1 MB and room for 1,000,000 files left; make room" in told(writer)[0].detail


def test_low_inodes_count_as_a_low_disk(config: Config, writer: ResultWriter, left: Left) -> None:
    watch = DiskWatch(config, writer, None)
    left.space = Space(10**9, 99)
    watch.look()
    assert watch.problem
    left.space = Space(10**9, None)
    watch.look()
    assert not watch.problem


def test_unmounted_disk_is_unknown(config: Config, writer: ResultWriter) -> None:
    watch = DiskWatch(config.model_copy(update={"state_dir": Path("/nowhere")}), writer, None)
    watch.look()
    assert (watch.space, watch.problem) == (None, None)


def test_low_disk_removes_clips_before_it_pauses_saving(
    config: Config, writer: ResultWriter, left: Left, tmp_path: Path
) -> None:
    store = ClipStore(tmp_path / "clips", ClipSettings(), UTC)
    for minute in range(10):
        store.add(
            make_clip(datetime(2026, 11, 20, 22, minute, tzinfo=UTC), [("A" * (minute + 1), 0.9)]), bytes(100_000)
        )
    recorder = ClipRecorder(ClipSettings(), store, 60)

    left.store, left.space = store, Space(1_900_000, 10**6)
    watch = DiskWatch(config, writer, recorder)
    watch.look()
    assert len(store.clips) == 6, "1.25 MB are free again"
    assert not recorder.is_paused
    assert told(writer) == []
    left.space = Space(0, 10**6)
    watch.look()
    assert len(store.clips) == 0
    assert recorder.is_paused
    assert "no audio is saved" in told(writer)[0].detail
    left.space = PLENTY
    watch.look()
    assert not recorder.is_paused
