"""An analysed file is recognised, and a reanalysis withdraws its rows."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from uuid import uuid4

import pytest
from identities import make_identity

from anura_edge.audio import Recording
from anura_edge.errors import JournalDamagedError
from anura_edge.events import Effort, Event, default_analysis_id
from anura_edge.store.journal import Journal
from anura_edge.store.scan_history import AnalysedFile, PreviousAnalysis, ScanHistory
from anura_edge.store.schema import STEPS
from anura_edge.wire import NoticeRow, Provenance, event_row

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


def test_second_analysis_replaces_the_rows_of_the_first(
    journal: Journal,
    make_event: MakeEvent,
    make_effort: MakeEffort,
    provenance: Provenance,
    recording: Recording,
    analysed_file: AnalysedFile,
) -> None:
    first = journal.commit([make_event(0), make_event(1)], [make_effort(0)], provenance, analysed_file)
    journal.outbox.mark_delivered([1])
    again = replace(analysed_file, analysis=uuid4(), replaces=recording.id)
    second = journal.commit([make_event(1), make_event(2)], [make_effort(0)], provenance, again)
    withdrawal = second[0]
    assert isinstance(withdrawal, NoticeRow)
    assert (withdrawal.replaces, withdrawal.analysis) == ((analysed_file.analysis,), again.analysis)
    assert (withdrawal.recording, withdrawal.replaced_by) == (recording.id, "")
    assert second[1].id == first[1].id, "the ids of events do not depend on the analysis"
    assert [each.row for each in journal.outbox.pending(0, 99)] == second, "rows of the first are not sent any more"
    assert journal.event_ids() == {make_event(1).id, make_event(2).id}


def test_recording_without_its_mark_has_the_rows_of_one_analysis(
    journal: Journal,
    make_event: MakeEvent,
    make_effort: MakeEffort,
    provenance: Provenance,
    analysed_file: AnalysedFile,
) -> None:
    """As after damage: some rows and all marks are lost, and the card is analysed again."""
    journal.commit([make_event(0), make_event(1)], [make_effort(0)], provenance, analysed_file)
    with closing(sqlite3.connect(journal.database.path)) as db:
        db.execute("DELETE FROM recordings")
        db.execute("DELETE FROM event WHERE onset_sample = 0")
        db.execute("DELETE FROM outbox WHERE seq = 1")
        db.commit()
    again = replace(analysed_file, analysis=uuid4())
    rows = journal.commit([make_event(0), make_event(1)], [make_effort(0)], provenance, again)
    assert [row.kind for row in rows] == ["notice", "event", "event", "effort"]
    assert {row.analysis for row in rows} == {again.analysis}
    assert [each.row for each in journal.outbox.pending(0, 99)] == rows


def test_longer_recording_names_the_one_that_it_replaces(
    journal: Journal, make_effort: MakeEffort, provenance: Provenance, recording: Recording, analysed_file: AnalysedFile
) -> None:
    journal.commit([], [make_effort(0, recording.id)], provenance, analysed_file)
    longer = replace(analysed_file, recording=replace(recording, id="longer"), analysis=uuid4(), replaces=recording.id)
    notice, _ = journal.commit([], [make_effort(0, "longer")], provenance, longer)
    assert isinstance(notice, NoticeRow)
    assert (notice.recording, notice.replaced_by) == (recording.id, "longer")
    assert notice.replaces == (analysed_file.analysis,)
    assert journal.outbox.pending_count() == 2


def test_second_analysis_of_an_earlier_version_is_delivered_whole(
    path: Path, make_event: MakeEvent, provenance: Provenance
) -> None:
    """An early version gave other ids to the rows of a second analysis, and kept those of the first."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        for statement in chain.from_iterable(STEPS[:6]):
            db.execute(statement)
        db.execute("INSERT INTO journal VALUES (?)", (str(uuid4()),))
        for number, withdrawn in ((1, 1), (2, 1), (3, 0), (4, 0)):
            row = event_row(0, make_event(number), provenance).model_dump(mode="json")
            columns = [name for _, name, *_ in db.execute("PRAGMA table_info(event)") if name != "withdrawn"]
            values = [withdrawn, *(row[name] for name in columns)]
            places = ", ".join("?" for _ in values)
            db.execute(f"INSERT INTO event (withdrawn, {', '.join(columns)}) VALUES ({places})", values)
            state = "settled (seq, kind, id, utc)" if number in (1, 3) else "outbox (seq, kind, id)"
            places = "?, 'event', ?, ''" if number in (1, 3) else "?, 'event', ?"
            db.execute(f"INSERT INTO {state} VALUES ({places})", (number, str(row["id"])))
        db.execute("PRAGMA user_version = 6")
        db.commit()
    with closing(Journal(path)) as journal:
        rows = [each.row for each in journal.outbox.pending(0, 9)]
    assert {row.id for row in rows} == {make_event(3).id, make_event(4).id}
    assert len({row.analysis for row in rows}) == 1, "delivered rows of it are sent again"
    assert rows[0].analysis != default_analysis_id("f00d", provenance.model_sha256), "the base station has the first"


@pytest.mark.parametrize("change", ["probes = x'00'", "audio_bytes = NULL", "audio_format = NULL", "probes = NULL"])
def test_damaged_identity_is_a_journal_error(
    journal: Journal, provenance: Provenance, recording: Recording, analysed_file: AnalysedFile, change: str
) -> None:
    identity = make_identity(recording.id, named_start="2026-11-20", head="head")
    journal.commit([], [], provenance, replace(analysed_file, identity=identity))
    with closing(sqlite3.connect(journal.database.path, isolation_level=None)) as db:
        db.execute(f"UPDATE recordings SET {change}")
    history = ScanHistory(journal.database, provenance.model_sha256)
    with pytest.raises(JournalDamagedError):
        history.find(make_identity("another", named_start="2026-11-20", head="head"))
