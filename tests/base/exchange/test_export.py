"""Exports in the formats of other programs."""

import io
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas
import pytest
from exported import POND, lines_of, store, table, unzipped, whole_file
from sqlalchemy import Engine

from anura_base.exchange.export import EXPORTS, export
from anura_edge.errors import ConfigError
from anura_train.data.readers.audacity import read_audacity

TABLES = ["birdnet", "effort", "raven", "darwin-core"]


def test_birdnet_columns_come_first_and_times_are_absolute(engine: Engine, make) -> None:  # noqa: ANN001
    call = make.event(1)
    store(engine, call, make.event(2, is_reliable=False))
    line, unreliable = table(engine, "birdnet")
    assert (line["is_reliable"], unreliable["is_reliable"]) == ("true", "false")
    assert [*line][:6] == ["Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File"]
    assert (line["Start (s)"], line["End (s)"], line["Scientific name"]) == ("10.0", "12.0", "Physalaemus cuvieri")
    assert (line["Confidence"], line["File"]) == ("0.93", "SITE_20261120_193000.wav")
    assert (line["start_utc"], line["tz"], line["id"]) == (
        "2026-11-20T19:30:10.000Z",
        "America/Sao_Paulo",
        str(call.id),
    )
    assert line["night"] == "2026-11-20"


def test_night_begins_at_noon_of_the_site(engine: Engine, make) -> None:  # noqa: ANN001
    for hour, minute in ((14, 59), (15, 1)):  # noon in São Paulo is 15:00 UTC
        start = datetime(2026, 11, 21, hour, minute, tzinfo=UTC)
        store(engine, make.event(hour, start_utc=start, end_utc=start))
    assert [line["night"] for line in table(engine, "birdnet")] == ["2026-11-20", "2026-11-21"]


def test_effort_table_has_state_and_duration(engine: Engine, make) -> None:  # noqa: ANN001
    store(engine, make.effort(1, hours=11.5), make.effort(2, make.state.DROPPED, 0.25))
    assert [(line["state"], float(line["seconds"])) for line in table(engine, "effort")] == [
        ("analysed", 41_400.0),
        ("dropped", 900.0),
    ]


def test_raven_selection_has_its_position_in_the_file(engine: Engine, make) -> None:  # noqa: ANN001
    store(engine, make.event(1), make.event(2))
    lines = table(engine, "raven")
    assert [*lines[0]][:12] == [
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
        "Begin Path", "File Offset (s)", "Species Code", "Scientific Name", "Confidence",
    ]  # fmt: skip
    assert [line["Selection"] for line in lines] == ["1", "2"]
    assert float(lines[1]["File Offset (s)"]) == float(lines[1]["Begin Time (s)"]) == 20.0, "there is one file"
    assert float(lines[0]["High Freq (Hz)"]) <= 22_050 / 2


def test_occurrence_has_position_effort_and_valid_taxon(engine: Engine, make) -> None:  # noqa: ANN001
    two_models = make.effort(3, hours=11.5).model_copy(update={"model_sha256": "another"})
    store(engine, make.effort(2, hours=11.5), two_models)
    store(engine, make.event(1, scientific_name="Hyla versicolor/chrysoscelis"))
    (line,) = table(engine, "darwin-core")
    assert (line["scientificName"], line["verbatimIdentification"]) == ("Hyla", "Hyla versicolor/chrysoscelis")
    assert (line["basisOfRecord"], line["samplingEffort"]) == ("MachineObservation", "11.50 recorder-hours")
    assert (line["decimalLatitude"], line["geodeticDatum"], line["locality"]) == ("-22.4", "WGS84", "The pond")
    assert line["eventDate"] == "2026-11-20T19:30:10.000Z/2026-11-20T19:30:12.000Z"


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "a\r\nb", '","', "\ta", "", " "])
def test_text_of_a_device_is_no_formula_and_no_line_break(
    engine: Engine,
    make,  # noqa: ANN001
    name: str,
    text: str,
) -> None:
    store(engine, make.event(1, recording_name=text, label=text, scientific_name=text))
    store(engine, make.effort(2).model_copy(update={"recording_name": text}))
    (line,) = table(engine, name)
    for cell in line.values():
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))
        assert not cell.startswith("-") or float(cell) < 0
        assert "\n" not in cell


def test_audacity_track_per_recording_has_three_columns(engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    store(engine, make.event(1), make.event(2, p_peak=0.5), make.event(3, recording="b2:other"))
    tracks = unzipped(whole_file(engine, "audacity"))
    assert [*tracks] == ["pond/one/SITE_20261120_193000.txt", "pond/one/SITE_20261120_193000-2.txt"]
    lines = tracks["pond/one/SITE_20261120_193000.txt"].decode().splitlines()
    assert lines == ["10.000000\t12.000000\tPHYCUV 0.93", "20.000000\t22.000000\tPHYCUV 0.50"]
    # The reader of anura-train takes labels without a score.
    track = tmp_path / "track.txt"
    track.write_text("\n".join(line.rpartition(" ")[0] for line in lines))
    read = [label for _, label in read_audacity(track, lambda *_: pytest.fail("unreadable line"))]
    assert [(label.onset_s, label.offset_s, label.code) for label in read] == [(10, 12, "PHYCUV"), (20, 22, "PHYCUV")]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\a\\b.wav", "/abs.wav", ".hidden", "", "a\tb\n.wav", "é" * 400]
)
def test_file_name_of_a_device_stays_inside_the_archive(engine: Engine, make, name: str) -> None:  # noqa: ANN001
    store(
        engine, make.event(1, recording_name=name, label="a\tb\nc"), make.event(2, recording_name=name, recording="x")
    )
    tracks = unzipped(whole_file(engine, "audacity"))
    assert len({track.lower() for track in tracks}) == 2
    for track, text in tracks.items():
        assert re.fullmatch(r"pond/one(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+\.txt", track)
        assert text.count(b"\n") == 1
        assert text.count(b"\t") == 2
    for medium in lines_of(unzipped(whole_file(engine, "camtrap-dp"))["media.csv"]):
        assert re.fullmatch(r"^(?=^[^./~])(^((?!\.{2}).)*$).*$", medium["filePath"]), "as the standard requires"


def test_pandas_reads_parquet_with_types(engine: Engine, make) -> None:  # noqa: ANN001
    pytest.importorskip("pyarrow")
    call = make.event(1)
    store(engine, call)
    store(engine, make.effort(2))
    frame = pandas.read_parquet(io.BytesIO(whole_file(engine, "parquet")))
    (row,) = frame.to_dict("records")
    assert (row["id"], row["start_utc"], row["p_peak"]) == (str(call.id), call.start_utc, 0.93)
    assert (row["night"], row["tz"], row["onset_sample"]) == (date(2026, 11, 20), "America/Sao_Paulo", 220_500)
    assert str(frame.dtypes["onset_sample"]) == "int64"
    (row,) = pandas.read_parquet(io.BytesIO(whole_file(engine, "parquet-effort"))).to_dict("records")
    assert (row["state"], row["samples"]) == ("analysed", 3_600 * 22_050)


def test_missing_pyarrow_error_names_the_remedy(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'anura-edge\[parquet\]'"):
        whole_file(engine, "parquet")


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("name", [name for name in EXPORTS if name != "training"])  # it has reviewed calls only
def test_export_is_equal_in_any_number_of_parts(
    engine: Engine,
    make,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    assert whole_file(engine, name, {})
    store(engine, *(make.event(seq) for seq in range(1, 8)))
    store(engine, *(make.effort(seq) for seq in range(8, 12)))
    at_once = whole_file(engine, name)
    formats = "anura_edge.results.formats"
    for module in (f"{formats}.delimited", f"{formats}.audacity", f"{formats}.camtrap", f"{formats}.aoef"):
        monkeypatch.setattr(f"{module}.CHUNK_ROWS", 3)
    monkeypatch.setattr("anura_base.exchange.rows.CHUNK_ROWS", 3)
    monkeypatch.setattr("anura_edge.results.formats.parquet.GROUP_ROWS", 3)
    parts = [*export(engine, name, POND)]
    assert sum(part.rows for part in parts) == (4 if "effort" in name else 7)
    if EXPORTS[name].suffix in {"csv", "txt"}:
        assert b"".join(part.data for part in parts) == at_once
    if EXPORTS[name].suffix == "parquet":
        again = io.BytesIO(b"".join(part.data for part in parts))
        pandas.testing.assert_frame_equal(pandas.read_parquet(again), pandas.read_parquet(io.BytesIO(at_once)))
