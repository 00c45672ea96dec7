"""The example of each format is current, and an independent reader finds the same three calls in it."""

import io
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from camtrap_package import count_valid_rows
from reference_pages.formats import BINARY, example_bytes

from anura_edge.results.formats.registry import FORMATS
from anura_edge.results.tables.files import TABLES

EXAMPLES = Path(__file__).parents[4] / "docs" / "reference" / "formats"

CALLS = [("Physalaemus cuvieri", 12.5, 14.0), ("Boana faber", 301.0, 330.5), ("Physalaemus cuvieri", 48.0, 49.25)]
NIGHTS = {"2026-11-20", "2026-11-21"}


def test_each_format_has_an_example() -> None:
    assert {file.stem for file in EXAMPLES.iterdir()} == {*FORMATS, *TABLES, "occupancy"}


@pytest.mark.parametrize(
    ("file", "separator", "name", "begin", "end"),
    [
        ("birdnet.csv", ",", "Scientific name", "Start (s)", "End (s)"),
        ("raven.txt", "\t", "Scientific Name", "File Offset (s)", None),
        ("kaleidoscope.csv", ",", "TOP1MATCH", "OFFSET", None),
    ],
)
def test_pandas_reads_the_calls(file: str, separator: str, name: str, begin: str, end: str | None) -> None:
    table = pd.read_csv(EXAMPLES / file, sep=separator)
    assert [*zip(table[name], table[begin], strict=True)] == [call[:2] for call in CALLS]
    if end:
        assert table[end].tolist() == [call[2] for call in CALLS]


def test_raven_finds_a_call_in_both_ways() -> None:
    table = pd.read_csv(EXAMPLES / "raven.txt", sep="\t")
    starts = {"pond/POND_20261120_193000.wav": 0.0, "pond/POND_20261121_193000.wav": 600.0}
    cumulative = table["Begin Path"].map(starts) + table["File Offset (s)"]
    assert table["Begin Time (s)"].tolist() == cumulative.tolist()
    assert (table["End Time (s)"] - table["Begin Time (s)"]).tolist() == [end - begin for _, begin, end in CALLS]


def test_kaleidoscope_has_durations_and_paths() -> None:
    table = pd.read_csv(EXAMPLES / "kaleidoscope.csv")
    assert table.DURATION.tolist() == [end - begin for _, begin, end in CALLS]
    assert set(table.FOLDER + "/" + table["IN FILE"]) == {
        "pond/POND_20261120_193000.wav",
        "pond/POND_20261121_193000.wav",
    }


def test_label_tracks_of_audacity_have_three_columns() -> None:
    tracks = sorted((EXAMPLES / "audacity" / "pond").iterdir())
    rows = pd.concat(pd.read_csv(track, sep="\t", names=["begin", "end", "label"]) for track in tracks)
    assert [*zip(rows.begin, rows.end, strict=True)] == [call[1:] for call in CALLS]


def test_darwin_core_has_the_occurrences_with_positions_and_effort() -> None:
    table = pd.read_csv(EXAMPLES / "darwin-core.csv")
    spans = table.eventDate.str.split("/", expand=True).apply(pd.to_datetime)
    assert table.scientificName.tolist() == [name for name, _, _ in CALLS]
    assert (spans[1] - spans[0]).dt.total_seconds().tolist() == [end - begin for _, begin, end in CALLS]
    assert set(zip(table.decimalLatitude, table.decimalLongitude, table.geodeticDatum, strict=True)) == {
        (-22.4, -47.55, "WGS84")
    }
    assert {event.rpartition(":")[2] for event in table.eventID} == NIGHTS
    assert set(table.samplingEffort) == {"0.17 recorder-hours"}  # ten minutes


def test_frictionless_validates_camtrap_dp(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "camtrap-dp", tmp_path / "package")
    assert count_valid_rows(tmp_path / "package") == [2, 3, 3]


def test_soundevent_reads_aoef() -> None:
    io_of = pytest.importorskip("soundevent.io", reason="the extra dev installs it")
    with pytest.warns(DeprecationWarning, match="version"):  # in soundevent's own reader
        run = io_of.load(EXAMPLES / "aoef.json", audio_dir="/cards", type="model_run")
    assert (run.model.info.name, run.model.version) == ("example", "1.0.0")
    by_recording = {each.clip.recording.path.name: each.sound_events for each in run.clip_predictions}
    assert [len(calls) for calls in by_recording.values()] == [2, 1, 0]
    found = [
        (_species(call), *call.sound_event.geometry.coordinates) for calls in by_recording.values() for call in calls
    ]
    assert found == CALLS
    recording = run.clip_predictions[0].clip.recording
    assert (str(recording.date), str(recording.time), recording.latitude) == ("2026-11-20", "19:30:00", -22.4)
    assert (recording.duration, recording.samplerate) == (600.0, 24_000)


def _species(call: Any) -> str:
    return next(each.tag.value for each in call.tags if each.tag.term.name == "dwc:scientificName")


@pytest.mark.parametrize("name", BINARY)
def test_pandas_reads_parquet_and_it_is_current(name: str) -> None:
    pytest.importorskip("pyarrow")
    table = pd.read_parquet(EXAMPLES / f"{name}.parquet")
    pd.testing.assert_frame_equal(table, pd.read_parquet(io.BytesIO(example_bytes()[f"{name}.parquet"])))
    assert {str(night) for night in table.night} == NIGHTS
    csv = pd.read_csv(EXAMPLES / ("csv.csv" if name == "parquet" else "effort.csv"))
    assert table.id.tolist() == csv.id.tolist()
    if name == "parquet":
        assert [*csv.columns] == [*table.columns]


def test_pandas_reads_the_tables() -> None:
    for name in TABLES:
        assert set(pd.read_csv(EXAMPLES / f"{name}.csv").night) == NIGHTS
    history = pd.read_csv(EXAMPLES / "occupancy" / "detections_Physalaemus_cuvieri.csv", index_col="site")
    assert history.loc["pond"].tolist() == [1, 1]
    assert history.loc["river"].fillna(-1).tolist() == [0, -1]
