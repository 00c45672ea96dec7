"""A journal that comes on a disk: the same rows as over a link, each once, or one clear message."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from identities import make_identity
from sqlalchemy import Engine, Table, delete, select

from anura_base.analysis import reviews
from anura_base.analysis.devices import device_views
from anura_base.clips.blobs import read_file
from anura_base.clips.tables import ClipState, clips
from anura_base.config.settings import ClipSettings
from anura_base.db.engine import write_transaction
from anura_base.db.schema import devices, effort, events, incidents, journals, notices
from anura_base.ingest import journal_import
from anura_base.ingest.batch import ingest
from anura_base.ingest.journal_import import import_journal
from anura_base.ingest.messages import RawMessage
from anura_edge.audio import ClockSource, Recording
from anura_edge.clips.ranking import make_clip
from anura_edge.clips.store import to_flac
from anura_edge.events import Effort, EffortState, Event, Notice, NoticeKind, Verdict
from anura_edge.results import journal_copy
from anura_edge.store.clip_index import ClipIndex
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile
from anura_edge.wire import MAX_PART_BYTES, EventRow, Owner, Provenance, QueuedRow, batch

START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)
RECEIVED = START + timedelta(days=1)
PROVENANCE = Provenance("tones", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")
CLIPS = ClipSettings()

ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For what does not depend on the SQL dialect."""


def write_recording(journal: Journal, name: str, calls: int, clock: ClockSource = ClockSource.RECORDER) -> None:
    """Store an analysis of a file: `calls` events, and one effort row."""
    recording = Recording(name, f"{name}.wav", START, clock, 8_000, 1, 80_000)
    common = {"recording": name, "recording_name": f"{name}.wav", "rate_hz": 8_000, "clock_source": clock}
    found = [
        Event(uuid4(), "LOW", "Tonus gravis", onset_sample=n, offset_sample=n + 9, start_utc=START, end_utc=START,
              p_peak=0.9, p_mean=0.8, level_dbfs=-30.0, **common)
        for n in range(calls)
    ]  # fmt: skip
    efforts = [Effort(uuid4(), state=EffortState.ANALYSED, first_sample=0, samples=80_000, start_utc=START, **common)]
    done = AnalysedFile(recording, 1_000, make_identity(name), name.encode(), is_whole=True)
    journal.commit(found, efforts, PROVENANCE, done)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of a device that was renamed: recordings, one of them analysed again, and a clock that became known."""
    with closing(Journal(tmp_path / "device" / "journal.db", Owner("pond", "one"))) as journal:
        for n in range(4):
            write_recording(journal, f"file-{n}", calls=n)
        write_recording(journal, "file-3", calls=2)
        write_recording(journal, "no-clock", calls=1, clock=ClockSource.UNKNOWN)
        journal.owner = Owner("lake", "one")
        write_recording(journal, "elsewhere", calls=1)
        known = Notice(uuid4(), NoticeKind.CLOCK_KNOWN, START, "NTP", "no-clock", amount=3_600.0)
        journal.commit([], [], PROVENANCE, notices=[known])
        yield journal


def send(engine: Engine, journal: Journal, rows: list[QueuedRow]) -> None:
    """Send rows as over a link, each in a message of its own."""
    with write_transaction(engine) as connection:
        for queued in rows:
            payload = batch(journal.id, journal.outbox.floor(), [queued.row])
            ingest(connection, [RawMessage(queued.topic, payload, False, RECEIVED)])


def stored(engine: Engine, table: Table) -> list[dict[str, object]]:
    """Return the rows of a table by id, without what depends on the way they came."""
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    return sorted(
        ({name: value for name, value in row.items() if name not in ("arrival", "received_utc")} for row in rows),
        key=lambda row: str(row["id"]),
    )


def everything(engine: Engine) -> list[object]:
    return [stored(engine, table) for table in (events, effort, notices)]


def test_import_stores_what_a_link_would_bring(engine: Engine, journal: Journal, tmp_path: Path) -> None:
    send(engine, journal, [*journal.outbox.pending(0, 1_000)])
    expected = everything(engine)
    with write_transaction(engine) as connection:
        for table in (events, effort, notices):
            connection.execute(delete(table))
    result = import_journal(engine, journal.database.path, CLIPS)
    assert everything(engine) == expected
    assert (result.owners, result.refused) == ((Owner("lake", "one"), Owner("pond", "one")), {})
    assert result.new == {"calls": 7, "effort": 6, "notices": 2, "superseded": 0}
    assert result.rows == 15


@pytest.mark.parametrize("seed", range(2))
def test_link_and_disk_in_any_order_store_each_row_once(engine: Engine, journal: Journal, seed: int) -> None:
    chance = random.Random(seed)
    rows = [*journal.outbox.pending(0, 1_000)]
    chance.shuffle(rows)
    before = chance.randrange(len(rows))
    send(engine, journal, rows[:before])
    journal.outbox.mark_delivered([each.seq for each in rows[:before]])
    import_journal(engine, journal.database.path, CLIPS)
    import_journal(engine, journal.database.path, CLIPS)
    once = everything(engine)
    send(engine, journal, rows)
    assert import_journal(engine, journal.database.path, CLIPS).new == dict.fromkeys(result_names(), 0)
    assert everything(engine) == once
    assert [len(table) for table in once] == [7, 6, 2]  # type: ignore[arg-type]
    with engine.connect() as connection:
        assert connection.scalars(select(incidents.c.what)).all() == []
        assert [*connection.scalars(select(journals.c.missing))] == [0, 0]


def result_names() -> list[str]:
    return [*journal_import._TABLES]


def test_analysis_that_was_withdrawn_after_its_delivery_counts_no_more(engine: Engine, journal: Journal) -> None:
    write_recording(journal, "again", calls=3)
    send(engine, journal, [*journal.outbox.pending(0, 1_000)])
    write_recording(journal, "again", calls=1)
    import_journal(engine, journal.database.path, CLIPS)
    assert sum(row["recording"] == "again" for row in stored(engine, events)) == 1


@ON_SQLITE
def test_verdicts_stay_when_rows_come_again(engine: Engine, journal: Journal) -> None:
    import_journal(engine, journal.database.path, CLIPS)
    with write_transaction(engine) as connection:
        event = connection.execute(select(events.c.id)).first()
        assert event
        reviews.add_review(connection, event.id, "ana", Verdict.CONFIRMED)
    import_journal(engine, journal.database.path, CLIPS)
    with engine.connect() as connection:
        assert [row.verdict for row in reviews.reviewed_events(connection)] == [Verdict.CONFIRMED]


@ON_SQLITE
def test_import_does_not_make_a_device_online(engine: Engine, journal: Journal) -> None:
    import_journal(engine, journal.database.path, CLIPS)
    with engine.connect() as connection:
        assert connection.scalars(select(devices.c.last_seen_utc)).all() == [None, None]
        assert len(device_views(connection)) == 2


@ON_SQLITE
def test_saved_clips_beside_the_journal_are_imported_once(engine: Engine, journal: Journal) -> None:
    event = next(each.row for each in journal.outbox.pending(0, 1_000) if isinstance(each.row, EventRow))
    name = make_clip(START, [("LOW", 0.9)]).name
    folder = journal.database.path.with_name("clips")
    folder.mkdir()
    flac = to_flac(np.random.default_rng(1).integers(-9_000, 9_000, 40_000).astype(np.int16), 8_000)
    assert len(flac) > 3 * MAX_PART_BYTES
    (folder / name).write_bytes(flac)
    ClipIndex(journal.database).add(name, 0, [event])
    assert import_journal(engine, journal.database.path, CLIPS).clips == 1
    with engine.connect() as connection:
        clip = connection.execute(select(clips)).one()
        assert (clip.event_id, clip.state, read_file(connection, clip)) == (event.id, ClipState.HERE, flac)
    assert import_journal(engine, journal.database.path, CLIPS).clips == 0


@ON_SQLITE
def test_large_journal_is_imported_in_groups(engine: Engine, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_copy, "MAX_MESSAGE_ROWS", 2)
    monkeypatch.setattr(journal_import, "MAX_GROUP_ROWS", 3)
    steps: list[tuple[int, int]] = []
    result = import_journal(engine, journal.database.path, CLIPS, lambda *step: steps.append(step))
    assert result.new["calls"] == 7
    assert len(steps) > 3
    assert steps[-1] == (15, 15)


@ON_SQLITE
def test_row_that_the_database_refuses_keeps_back_no_other(
    engine: Engine, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anura_base.ingest.device_writer.MAX_SITE_DEVICES", 0)
    monkeypatch.setattr("anura_base.ingest.device_writer.MAX_DEVICES", 10_000)
    result = import_journal(engine, journal.database.path, CLIPS)
    assert len(result.refused) == 15
    assert all("devices at the site" in reason for reason in result.refused.values())


@ON_SQLITE
def test_row_without_a_number_gets_none(engine: Engine, journal: Journal) -> None:
    rows = journal.outbox.pending(0, 1_000)
    journal.outbox.mark_delivered([each.seq for each in rows])
    path = journal.database.path
    journal.close()
    with closing(sqlite3.connect(path)) as db, db:  # as the migration of an early version leaves them
        db.execute("UPDATE settled SET seq = -seq")
    import_journal(engine, path, CLIPS)
    assert {row["seq"] for row in stored(engine, events)} == {0}
