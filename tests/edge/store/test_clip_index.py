"""The clip index survives a restart and a damaged journal, and an entry is deleted with its event."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anura_edge.clips.clip_writer import ClipWriter
from anura_edge.clips.finder import ClipFinder
from anura_edge.clips.store import ClipStore
from anura_edge.config.device import Config
from anura_edge.config.operation import ClipSettings, JournalSettings
from anura_edge.events import Event
from anura_edge.store.clip_index import ClipIndex, IndexedClip
from anura_edge.store.database import damaged_mark
from anura_edge.store.journal import Journal
from anura_edge.store.recovery import open_journal
from anura_edge.store.retention import Retention
from anura_edge.wire import EventRow, Provenance

RATE_HZ = 8_000


@pytest.fixture
def store_events(make_event: Callable[..., Event], provenance: Provenance) -> Callable[..., list[EventRow]]:
    def store_events(journal: Journal, count: int = 1) -> list[EventRow]:
        rows = journal.commit([make_event(n) for n in range(count)], [], provenance)
        return [row for row in rows if isinstance(row, EventRow)]

    return store_events


def test_clip_is_found_until_its_event_is_deleted(
    path: Path, journal: Journal, store_events: Callable[..., list[EventRow]]
) -> None:
    events, index = store_events(journal, 3), ClipIndex(journal.database)
    index.add("b.flac", 7, events[:2])
    index.add("a.flac", 5, events[2:])
    assert index.find(events[0].id) == IndexedClip(events[0].id, "b.flac", 7)
    assert [clip.name for clip in index.not_done()] == ["a.flac", "b.flac", "b.flac"]
    index.mark_done(events[2].id)
    assert [clip.name for clip in index.not_done()] == ["b.flac", "b.flac"]
    with closing(Journal(path)) as again:
        assert ClipIndex(again.database).find(events[2].id)
    journal.outbox.mark_delivered([1, 2, 3])
    clock = iter([0.0, 2 * 86_400.0])
    Retention(journal.database, JournalSettings(retention_days=1), clock=lambda: next(clock)).step()
    assert [index.find(event.id) for event in events] == [None] * 3
    assert index.event(events[0].id) is None


def test_index_survives_a_damaged_journal(path: Path, store_events: Callable[..., list[EventRow]]) -> None:
    with closing(Journal(path)) as journal:
        (event,) = store_events(journal)
        ClipIndex(journal.database).add("a.flac", 5, [event])
    damaged_mark(path).touch()
    with closing(open_journal(path)) as journal:
        assert ClipIndex(journal.database).find(event.id) == IndexedClip(event.id, "a.flac", 5)


def test_saved_clip_is_found_by_each_of_its_events(
    tmp_path: Path,
    journal: Journal,
    make_source: Callable[..., Any],
    make_event: Callable[..., Event],
    provenance: Provenance,
) -> None:
    config = Config(state_dir=tmp_path, clips=ClipSettings(enabled=True, before_s=1, after_s=1))
    index = ClipIndex(journal.database)
    recorder = ClipWriter(config.clips, ClipStore(config.clips_path, config.clips, UTC), 60, index.add)
    recorder.start()
    sound = make_source(np.full((10 * RATE_HZ, 1), 0.5, np.float32), chunk=10 * RATE_HZ, live=True)
    calls = [
        make_event(at * RATE_HZ, sound.recording.id, offset_sample=(at + 1) * RATE_HZ, rate_hz=RATE_HZ) for at in (5, 6)
    ]
    rows = [row for row in journal.commit(calls, [], provenance) if isinstance(row, EventRow)]
    for _ in recorder.tap(sound, channel=0).chunks():
        for row in rows:
            recorder.add_event(row)
    recorder.stop()
    found = [ClipFinder(index, config.clips_path, config.clips, config.audio).find(row.id) for row in rows]
    assert {(clip.sha256, clip.first_sample) for clip in found} == {(found[0].sha256, 4 * RATE_HZ)}
