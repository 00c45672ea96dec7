"""Reviews are only added, and the last one of an event counts."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, func, insert, select

from anura_base.analysis import reviews, rollup
from anura_base.analysis.reviews import ReviewOrder
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.analysis.verdicts import reviews as table
from anura_base.config.settings import Site
from anura_base.db.schema import events
from anura_base.exchange.training_set import training_zip
from anura_edge.events import Verdict
from anura_train.data.findings import Findings
from anura_train.data.readers.csv_tables import read_tables

START = datetime(2026, 11, 20, 23, tzinfo=UTC)


def put(engine: Engine, *scores: float, **changes: Any) -> list[UUID]:
    rows = [
        {
            "id": uuid4(), "site": "pond", "device": "d", "journal": uuid4(), "received_utc": START, "seq": 1,
            "recording": "b2:1", "recording_name": "POND_20261120_200000.wav", "rate_hz": 1_000, "start_utc": START,
            "end_utc": START, "clock_source": "gps", "label": "BOAFAB", "scientific_name": "Boana faber",
            "onset_sample": 1_500, "offset_sample": 4_000, "p_peak": p, "p_mean": p, "level_dbfs": -20, "model_id": "m",
            "model_version": "1", "model_sha256": "aa", "config_hash": "c", "app_version": "0", **changes,
        }
        for p in scores
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(events), rows)
    return [row["id"] for row in rows]


def review(engine: Engine, event: UUID, verdict: Verdict, label: str = "", who: str = "ana") -> None:
    with engine.begin() as connection:
        reviews.add_review(connection, event, who, verdict, label)


def next_id(engine: Engine, order: ReviewOrder, species: str = "Boana faber", site: str = "") -> UUID | None:
    with engine.connect() as connection:
        found = reviews.next_event(connection, species, site, order)
        return found and found.id


def test_queue_contains_events_without_a_review(engine: Engine) -> None:
    low, high, middle = put(engine, 0.2, 0.9, 0.5)
    assert (next_id(engine, ReviewOrder.LOWEST), next_id(engine, ReviewOrder.HIGHEST)) == (low, high)
    review(engine, high, Verdict.CONFIRMED)
    assert next_id(engine, ReviewOrder.HIGHEST) == middle
    for _ in range(5):
        assert next_id(engine, ReviewOrder.RANDOM) in {low, middle}
    review(engine, middle, Verdict.REJECTED)
    review(engine, low, Verdict.RELABELLED, "PHYCUV")
    assert next_id(engine, ReviewOrder.RANDOM) is None


def test_undone_review_is_stored_and_event_is_queued_again(engine: Engine) -> None:
    (only,) = put(engine, 0.5)
    review(engine, only, Verdict.CONFIRMED)
    with engine.connect() as connection:
        assert reviews.latest_review(connection, "ana").event_id == only
        assert reviews.latest_review(connection, "bea") is None
    review(engine, only, Verdict.UNDONE)
    assert next_id(engine, ReviewOrder.HIGHEST) == only
    with engine.connect() as connection:
        assert reviews.latest_review(connection, "ana") is None
        assert connection.scalar(select(func.count()).select_from(table)) == 2


def test_queue_of_one_site_and_of_a_label_without_name(engine: Engine) -> None:
    put(engine, 0.9)
    (there,) = put(engine, 0.1, site="fen")
    (nameless,) = put(engine, 0.4, scientific_name="", label="X1")
    assert next_id(engine, ReviewOrder.HIGHEST, site="fen") == there
    assert next_id(engine, ReviewOrder.HIGHEST, "X1") == nameless
    assert next_id(engine, ReviewOrder.HIGHEST, "Nobody") is None


def test_training_set_is_readable_by_the_trainer(engine: Engine, tmp_path: Path) -> None:
    right, other, wrong = put(engine, 0.9, 0.8, 0.7)
    alone, *_ = put(engine, 0.6, recording="b2:2", recording_name="=cmd.wav")
    review(engine, right, Verdict.CONFIRMED)
    review(engine, other, Verdict.RELABELLED, "PHYCUV")
    review(engine, wrong, Verdict.REJECTED)
    review(engine, alone, Verdict.REJECTED)
    with engine.connect() as connection:
        data = training_zip(reviews.reviewed_events(connection), {"pond": Site(zone="America/Sao_Paulo")})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    findings = Findings()
    (recording,) = read_tables(tmp_path, findings).recordings
    assert {label.code for label in recording.weak} == {"BOAFAB", "PHYCUV"}
    assert {(label.code, label.onset_s, label.offset_s) for label in recording.strong} == {
        ("BOAFAB", 1.5, 4.0), ("PHYCUV", 1.5, 4.0),
    }  # fmt: skip
    assert str(recording.night) == "2026-11-20"
    assert recording.start.isoformat() == "2026-11-20T19:59:58-03:00"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_no_cell_of_a_training_set_is_a_formula(engine: Engine, text: str) -> None:
    texts = dict.fromkeys(["label", "scientific_name", "recording", "recording_name", "model_sha256", "site"], text)
    for verdict in (Verdict.CONFIRMED, Verdict.REJECTED):
        event, *_ = put(engine, 0.9, **texts)
        review(engine, event, verdict, who=text)
    with engine.connect() as connection:
        data = training_zip(reviews.reviewed_events(connection), {text: Site()})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        tables = [name for name in archive.namelist() if name.endswith(".csv")]
        cells = [
            cell for name in tables for row in csv.reader(io.StringIO(archive.read(name).decode())) for cell in row
        ]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


@pytest.mark.parametrize("name", ["=cmd.wav", "-frogs.wav", "+1.wav", "@home.wav"])
def test_escaped_file_name_is_read_back(engine: Engine, tmp_path: Path, name: str) -> None:
    event, *_ = put(engine, 0.9, recording_name=name)
    review(engine, event, Verdict.CONFIRMED)
    with engine.connect() as connection:
        data = training_zip(reviews.reviewed_events(connection), {})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    (recording,) = read_tables(tmp_path, Findings()).recordings
    assert recording.path == tmp_path / name


def test_training_set_has_the_names_of_people_and_no_unknown_time(engine: Engine, tmp_path: Path) -> None:
    (known,) = put(engine, 0.9, label="PHYCUV", scientific_name="Physalaemus cuvieri", recording="b2:2")
    (event,) = put(engine, 0.9, clock_source="unknown")
    install_triggers(engine)
    rollup.refresh(engine)
    review(engine, event, Verdict.RELABELLED, "PHYCUV")
    review(engine, known, Verdict.REJECTED)
    with engine.connect() as connection:
        data = training_zip(reviews.reviewed_events(connection), {})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    found = read_tables(tmp_path, Findings())
    (recording,) = found.recordings
    assert (recording.night, recording.start) == (None, None)
    assert "PHYCUV,Physalaemus cuvieri" in (tmp_path / "species.csv").read_text()
