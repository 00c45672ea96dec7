"""An analysed file is recognised, and a reanalysis withdraws its rows."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from identities import make_identity

from anura_edge.audio import Recording
from anura_edge.events import Effort, Event
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile, PreviousAnalysis, ScanHistory
from anura_edge.wire import Provenance, Row

MakeEvent = Callable[..., Event]


MakeEffort = Callable[..., Effort]


def test_analysed_recording_is_found_for_its_model(
    journal: Journal, provenance: Provenance, recording: Recording, analysed_file: AnalysedFile
) -> None:
    for _ in range(2):
        journal.commit([], [], provenance, analysed_file)
    expected = PreviousAnalysis(recording.id, provenance.config_hash, is_whole=True, is_replaced=False)
    history = ScanHistory(journal.database, provenance.model_sha256)
    identity = make_identity(recording.id)
    assert history.find(identity) == expected
    assert history.find_unchanged(b"a fingerprint") == expected
    assert ScanHistory(journal.database, "another model").find(identity) is None
    assert history.find(make_identity("another recording")) is None
    history.add_fingerprint(b"another place", recording.id)
    history.flush()
    assert history.find_unchanged(b"another place") == expected


def test_withdrawn_analysis_counts_no_event_twice(
    journal: Journal,
    make_event: MakeEvent,
    make_effort: MakeEffort,
    provenance: Provenance,
    recording: Recording,
    analysed_file: AnalysedFile,
) -> None:
    def analyse() -> list[Row]:
        old = (
            recording.id
            if ScanHistory(journal.database, provenance.model_sha256).find(make_identity(recording.id))
            else None
        )
        return journal.commit([make_event(0)], [make_effort(0)], provenance, replace(analysed_file, replaces=old))

    first, second, third = analyse(), analyse(), analyse()
    assert [row.kind for row in second] == ["notice", "event", "effort"]
    assert len({row.id for row in (*first, *second, *third)}) == 8
    assert [row.seq for row in (*first, *second, *third)] == list(range(1, 9))
    assert journal.event_ids() == {third[1].id}
    with closing(sqlite3.connect(journal.database.path)) as db:
        for table in ("event", "effort"):
            assert db.execute(f"SELECT withdrawn FROM {table} ORDER BY withdrawn").fetchall() == [(0,), (1,), (1,)]
