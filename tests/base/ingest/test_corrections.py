"""Sites and times that were corrected on a laptop replace those at the base station, in any order of messages."""

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from exported import POND, judge, table
from identities import make_identity
from sqlalchemy import Engine, select

from anura_base.config.settings import Site
from anura_base.db.engine import write_transaction
from anura_base.db.queries import missing_row_counts
from anura_base.db.schema import effort, incidents
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.audio import ClockSource, Recording
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.store.corrections import RecordingCorrection, correct_recordings, stored_recordings
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile
from anura_edge.wire import Owner, Provenance, QueuedRow, batch

START = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
SHIFT = timedelta(hours=3)
MODEL = Provenance("tones", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")
SITES = POND | {"lake": Site(zone="America/Sao_Paulo")}
CALLS = {"a": 3, "b": 1, "c": 0}
"""Calls of each recording."""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of three recordings at the pond, by a clock whose offset was not known."""
    with closing(Journal(tmp_path / "journal.db", Owner("pond", "one"))) as journal:
        for name, calls in CALLS.items():
            at = {"recording": name, "recording_name": f"{name}.wav", "start_utc": START, "rate_hz": 8_000}
            at |= {"clock_source": ClockSource.RECORDER}
            found = [
                Event(event_id(name, n, "LOW", MODEL.model_sha256), "LOW", "Tonus gravis", onset_sample=n,
                      offset_sample=n + 9, end_utc=START, p_peak=0.9, p_mean=0.8, level_dbfs=-30.0, **at)
                for n in range(calls)
            ]  # fmt: skip
            of_audio = effort_id(name, 0, EffortState.ANALYSED, MODEL.model_sha256)
            efforts = [Effort(of_audio, state=EffortState.ANALYSED, first_sample=0, samples=80_000, **at)]
            recording = Recording(name, f"{name}.wav", START, ClockSource.RECORDER, 8_000, 1, 80_000)
            done = AnalysedFile(recording, 1_000, make_identity(name), name.encode(), is_whole=True)
            journal.commit(found, efforts, MODEL, done)
        yield journal


def send(engine: Engine, journal: Journal, rows: list[QueuedRow]) -> None:
    """Send rows as over a link, each in a message of its own."""
    with write_transaction(engine) as connection:
        for queued in rows:
            payload = batch(journal.id, journal.outbox.floor(), [queued.row])
            ingest(connection, [RawMessage(queued.topic, payload, False, START + timedelta(days=1))])


def pending(journal: Journal) -> list[QueuedRow]:
    return [*journal.outbox.pending(0, 1_000)]


def correct(journal: Journal, name: str) -> None:
    """A recording is of the lake, and its clock was three hours slow."""
    (found,) = [each for each in stored_recordings(journal.database) if each.id == name]
    right = RecordingCorrection(found, Owner("lake", "one"), SHIFT, ClockSource.RECORDER)
    assert correct_recordings(journal.database, [right]) == CALLS[name] + 1


@pytest.mark.parametrize("seed", range(2))
def test_corrected_rows_replace_the_former_ones_and_count_once(engine: Engine, journal: Journal, seed: int) -> None:
    chance, former = random.Random(seed), pending(journal)
    judged = event_id("a", 0, "LOW", MODEL.model_sha256)
    sent = former if seed == 0 else chance.sample(former, len(former) // 2)
    send(engine, journal, sent)
    if seed == 0:
        judge(engine, judged, "confirmed")
    journal.outbox.mark_delivered([each.seq for each in sent])
    correct(journal, "a")
    correct(journal, "c")
    rows = [*pending(journal), *former]  # the former ones come late, or again
    chance.shuffle(rows)
    send(engine, journal, rows)
    calls = table(engine, "birdnet", sites=SITES)
    found = sorted((call["File"], call["site_id"], call["start_utc"]) for call in calls)
    assert found == [("a.wav", "lake", "2026-11-21T01:30:00.000Z")] * 3 + [
        ("b.wav", "pond", "2026-11-20T22:30:00.000Z")
    ]
    with engine.connect() as connection:
        hours = connection.execute(select(effort.c.recording, effort.c.site, effort.c.start_utc)).all()
        assert sorted(map(tuple, hours)) == [
            ("a", "lake", START + SHIFT), ("b", "pond", START), ("c", "lake", START + SHIFT)
        ]  # fmt: skip
        assert set(connection.scalars(select(incidents.c.what))) <= {"owner"}  # it tells that the site changed
        assert set(missing_row_counts(connection).values()) == {0}
    if seed == 0:
        assert [call["id"] for call in calls if call["verdict"] == "confirmed"] == [str(judged)]


def test_lost_rows_of_a_journal_with_several_sites_are_counted_once(engine: Engine, journal: Journal) -> None:
    rows = pending(journal)
    send(engine, journal, rows[2:])
    journal.outbox.mark_delivered([each.seq for each in rows])
    correct(journal, "a")
    send(engine, journal, pending(journal))
    with engine.connect() as connection:
        assert sum(missing_row_counts(connection).values()) == 2
