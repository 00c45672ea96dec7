"""Reviewed calls as a training set, read by the trainer."""

import csv
import hashlib
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pandas as pd
import pytest
import soundfile as sf
from clip_device import make_flac
from exported import POND, judge, unzipped, whole_file
from sqlalchemy import Engine, insert

from anura_base.analysis import rollup
from anura_base.analysis.reviews import add_review
from anura_base.analysis.rollup_triggers import install_triggers
from anura_base.clips.tables import clip_parts, clips
from anura_base.config.settings import Site
from anura_base.db.schema import events
from anura_base.exchange.call_filter import CallFilter
from anura_edge.events import Verdict
from anura_train.data.corpus import Corpus
from anura_train.data.findings import Findings
from anura_train.data.readers.csv_tables import read_tables
from anura_train.data.readers.layouts import read_corpus

START = datetime(2026, 11, 20, 23, tzinfo=UTC)
CLIP_S = 2
CLIP_RATE_HZ = 2_000


def put(engine: Engine, onset_s: float, **changes: Any) -> UUID:
    """Store a call of 2.5 s, in a recording of 1 kHz."""
    row = {
        "id": uuid4(), "site": "pond", "device": "d", "journal": uuid4(), "received_utc": START, "seq": 1,
        "recording": "b2:1", "recording_name": "POND_20261120_200000.wav", "rate_hz": 1_000, "start_utc": START,
        "end_utc": START, "clock_source": "gps", "label": "BOAFAB", "scientific_name": "Boana faber",
        "onset_sample": round(1_000 * onset_s), "offset_sample": round(1_000 * onset_s) + 2_500, "p_peak": 0.5,
        "p_mean": 0.4, "level_dbfs": -20, "model_id": "m", "model_version": "1", "model_sha256": "aa",
        "config_hash": "c", "app_version": "0", **changes,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(events).values(row))
    return UUID(str(row["id"]))


def put_clip(engine: Engine, event: UUID, first_s: float, seed: int) -> bytes:
    """Store the clip of a call, with CLIP_S seconds of its recording from `first_s` on."""
    flac = make_flac(CLIP_S, CLIP_RATE_HZ, seed)
    file = {"site": "pond", "device": "d", "sha256": hashlib.sha256(flac).hexdigest()}
    clip = {
        **file, "event_id": event, "state": "here", "asked_by": "", "changed_utc": START, "detail": "",
        "size": len(flac), "came": len(flac), "first_sample": round(1_000 * first_s), "rate_hz": CLIP_RATE_HZ,
        "samples": CLIP_S * CLIP_RATE_HZ,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(clips).values(clip))
        connection.execute(insert(clip_parts).values({**file, "first_byte": 0, "data": flac}))
    return flac


def unpacked(engine: Engine, folder: Path, **options: Any) -> Mapping[str, bytes]:
    """Write the training set into a folder. Return its files."""
    files = unzipped(whole_file(engine, "training", **options))
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def labels_of(corpus: Corpus) -> dict[str, list[tuple[str, float, float]]]:
    """Return code, onset and offset of the labels of each recording."""
    return {
        each.name: sorted((label.code, label.onset_s, label.offset_s) for label in each.strong)
        for each in corpus.recordings
    }


def test_clips_have_the_labels_of_all_calls_in_them(engine: Engine, tmp_path: Path) -> None:
    confirmed, renamed = put(engine, 10), put(engine, 11.5, label="X", scientific_name="")
    wrong, unsure, alone = put(engine, 20), put(engine, 30), put(engine, 40)
    put(engine, 12.4, label="NOBODY")  # in the first clip, by 0.1 s
    put(engine, 31, label="NOBODY")
    judge(engine, confirmed, "confirmed")
    judge(engine, renamed, "relabelled", "PHYCUV")
    for each in (wrong, unsure):
        judge(engine, each, "rejected")
    judge(engine, alone, "confirmed")
    audio = put_clip(engine, confirmed, 10.5, 1)
    put_clip(engine, wrong, 20, 2)
    put_clip(engine, unsure, 30, 3)
    files = unpacked(engine, tmp_path)

    found = read_corpus(tmp_path / "clips")
    first, background = (f"audio/{each}.flac" for each in (confirmed, wrong))
    assert labels_of(found) == {first: [("BOAFAB", 0, 2), ("PHYCUV", 1, 2)], background: []}
    assert {each.name for each in found.backgrounds} == {background}, "a clip with an unreviewed call is none"
    assert files[f"clips/{first}"] == audio
    assert sf.info(tmp_path / "clips" / first).duration == CLIP_S
    rows = pd.read_csv(tmp_path / "clips/recordings.csv", index_col="file", keep_default_na=False)
    assert rows["unreviewed"].to_dict() == {first: "NOBODY", background: ""}
    assert rows.loc[first, "start"] == "2026-11-20T20:00:00-03:00", "10.5 s after the begin of the recording"
    reviewed = pd.read_csv(tmp_path / "reviews.csv", index_col="event_id", keep_default_na=False)
    assert reviewed["clip"].to_dict() == {
        str(confirmed): f"clips/{first}", str(wrong): f"clips/{background}",
        str(renamed): "", str(unsure): "", str(alone): "",
    }  # fmt: skip
    (recording,) = read_tables(tmp_path / "recordings", Findings()).recordings
    assert len(recording.strong) == 3, "one call is in no clip, so all calls of its recording are here"


def test_filter_selects_clips_but_hides_no_label_in_them(engine: Engine, tmp_path: Path) -> None:
    faber, cuvieri = put(engine, 10), put(engine, 10.5, label="PHYCUV", scientific_name="Physalaemus cuvieri")
    for seed, each in enumerate((faber, cuvieri)):
        judge(engine, each, "confirmed")
        put_clip(engine, each, 10, seed)
    unpacked(engine, tmp_path, calls=CallFilter(species="Boana faber"))
    ((name, labels),) = labels_of(read_corpus(tmp_path / "clips")).items()
    assert (name, [code for code, *_ in labels]) == (f"audio/{faber}.flac", ["BOAFAB", "PHYCUV"])


def test_two_calls_in_one_file_are_one_clip(engine: Engine, tmp_path: Path) -> None:
    calls = [put(engine, 10), put(engine, 10.5)]
    for each in calls:
        judge(engine, each, "confirmed")
    flac = put_clip(engine, calls[0], 10, 1)
    with engine.begin() as connection:
        (row,) = connection.execute(clips.select()).mappings()
        connection.execute(insert(clips).values({**row, "number": None, "event_id": calls[1]}))
    files = unpacked(engine, tmp_path)
    assert [data for name, data in files.items() if name.endswith(".flac")] == [flac]
    (recording,) = read_corpus(tmp_path / "clips").recordings
    assert len(recording.strong) == 2


def test_clip_at_another_place_than_its_call_is_no_background(engine: Engine, tmp_path: Path) -> None:
    """A device may send any position."""
    for seed, verdict in enumerate(("confirmed", "rejected")):
        call = put(engine, 10)
        judge(engine, call, verdict)
        put_clip(engine, call, 500 + 10 * seed, seed)
    assert not any(name.endswith(".flac") for name in unpacked(engine, tmp_path))


def test_recordings_without_clips_are_readable_by_the_trainer(engine: Engine, tmp_path: Path) -> None:
    right, other, wrong = put(engine, 1.5), put(engine, 1.5), put(engine, 1.5)
    alone = put(engine, 1.5, recording="b2:2", recording_name="=cmd.wav")
    judge(engine, right, "confirmed")
    judge(engine, other, "relabelled", "PHYCUV")
    judge(engine, wrong, "rejected")
    judge(engine, alone, "rejected")
    unpacked(engine, tmp_path, sites=POND)
    (recording,) = read_tables(tmp_path / "recordings", Findings()).recordings
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
        event = put(engine, 1.5, **texts)
        with engine.begin() as connection:
            add_review(connection, event, text, verdict)
    files = unzipped(whole_file(engine, "training", {text: Site()}))
    tables = [data.decode() for name, data in files.items() if name.endswith(".csv")]
    cells = [cell for table in tables for row in csv.reader(io.StringIO(table)) for cell in row]
    assert len(tables) == 7
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


@pytest.mark.parametrize("name", ["=cmd.wav", "-frogs.wav", "+1.wav", "@home.wav"])
def test_escaped_file_name_is_read_back(engine: Engine, tmp_path: Path, name: str) -> None:
    judge(engine, put(engine, 1.5, recording_name=name), "confirmed")
    unpacked(engine, tmp_path)
    (recording,) = read_tables(tmp_path / "recordings", Findings()).recordings
    assert recording.path == tmp_path / "recordings" / name


def test_training_set_has_the_names_of_people_and_no_unknown_time(engine: Engine, tmp_path: Path) -> None:
    known = put(engine, 1.5, label="PHYCUV", scientific_name="Physalaemus cuvieri", recording="b2:2")
    event = put(engine, 1.5, clock_source="unknown")
    install_triggers(engine)
    rollup.refresh(engine)
    judge(engine, event, "relabelled", "PHYCUV")
    judge(engine, known, "rejected")
    unpacked(engine, tmp_path)
    (recording,) = read_tables(tmp_path / "recordings", Findings()).recordings
    assert (recording.night, recording.start) == (None, None)
    assert "PHYCUV,Physalaemus cuvieri" in (tmp_path / "recordings/species.csv").read_text()
