import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas
import pytest
from sqlalchemy import Engine

from anura_base.config.settings import Site
from anura_base.exchange import camtrap
from anura_base.exchange.export import EXPORTS, export
from anura_base.ingest.batch import ingest
from anura_base.ingest.messages import RawMessage
from anura_edge.errors import ConfigError
from anura_edge.wire import Row, batch
from anura_train.data.readers.audacity import read_audacity

TABLES = ["birdnet", "effort", "raven", "darwin-core"]
POND = {"pond": Site(title="The pond", latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")}


def tell(engine: Engine, *rows: Row) -> None:
    message = RawMessage(f"anura/v1/pond/one/{rows[0].kind}", batch(uuid4(), 1, rows), False, datetime.now(UTC))
    with engine.begin() as connection:
        ingest(connection, [message])


def whole(engine: Engine, name: str, sites: Mapping[str, Site] = POND) -> bytes:
    return b"".join(piece.data for piece in export(engine, name, sites))


def lines_of(data: bytes, delimiter: str = ",") -> list[dict[str, Any]]:
    return [*csv.DictReader(io.StringIO(data.decode(), newline=""), delimiter=delimiter)]


def table(engine: Engine, name: str) -> list[dict[str, Any]]:
    found = lines_of(whole(engine, name), "\t" if name == "raven" else ",")
    assert len(found) == sum(piece.rows for piece in export(engine, name, POND))
    return found


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_birdnettools_reads_comes_first_and_times_are_absolute(engine: Engine, make) -> None:  # noqa: ANN001
    call = make.event(1)
    tell(engine, call)
    (line,) = table(engine, "birdnet")
    assert [*line][:6] == ["Start (s)", "End (s)", "Scientific name", "Common name", "Confidence", "File"]
    assert (line["Start (s)"], line["End (s)"], line["Scientific name"]) == ("10.0", "12.0", "Physalaemus cuvieri")
    assert (line["Confidence"], line["File"]) == ("0.93", "SITE_20261120_193000.wav")
    assert (line["start_utc"], line["tz"], line["id"]) == (
        "2026-11-20T19:30:10.000Z",
        "America/Sao_Paulo",
        str(call.id),
    )
    assert line["night"] == "2026-11-20"


def test_a_night_goes_from_noon_to_noon_by_the_sites_clock(engine: Engine, make) -> None:  # noqa: ANN001
    for hour, minute in ((14, 59), (15, 1)):  # noon in São Paulo is 15:00 UTC
        start = datetime(2026, 11, 21, hour, minute, tzinfo=UTC)
        tell(engine, make.event(hour, start_utc=start, end_utc=start))
    assert [line["night"] for line in table(engine, "birdnet")] == ["2026-11-20", "2026-11-21"]


def test_effort_says_what_was_heard_and_what_was_not(engine: Engine, make) -> None:  # noqa: ANN001
    tell(engine, make.effort(1, hours=11.5), make.effort(2, make.state.DROPPED, 0.25))
    assert [(line["state"], float(line["seconds"])) for line in table(engine, "effort")] == [
        ("analysed", 41_400.0),
        ("dropped", 900.0),
    ]


def test_ravens_columns_lead_and_each_selection_is_a_box_in_its_file(engine: Engine, make) -> None:  # noqa: ANN001
    tell(engine, make.event(1), make.event(2))
    lines = table(engine, "raven")
    assert [*lines[0]][:12] == [
        "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)",
        "Begin Path", "File Offset (s)", "Species Code", "Scientific Name", "Confidence",
    ]  # fmt: skip
    assert [line["Selection"] for line in lines] == ["1", "2"]
    assert float(lines[1]["File Offset (s)"]) == float(lines[1]["Begin Time (s)"]) == 20.0
    assert float(lines[0]["High Freq (Hz)"]) <= 22_050 / 2


def test_an_occurrence_has_its_place_its_effort_and_a_name_that_is_one(engine: Engine, make) -> None:  # noqa: ANN001
    two_models = make.effort(3, hours=11.5).model_copy(update={"model_sha256": "another"})
    tell(engine, make.effort(2, hours=11.5), two_models)
    tell(engine, make.event(1, scientific_name="Hyla versicolor/chrysoscelis"))
    (line,) = table(engine, "darwin-core")
    assert (line["scientificName"], line["verbatimIdentification"]) == ("Hyla", "Hyla versicolor/chrysoscelis")
    assert (line["basisOfRecord"], line["samplingEffort"]) == ("MachineObservation", "11.50 recorder-hours")
    assert (line["decimalLatitude"], line["geodeticDatum"], line["locality"]) == ("-22.4", "WGS84", "The pond")
    assert line["eventDate"] == "2026-11-20T19:30:10.000Z/2026-11-20T19:30:12.000Z"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # what is written does not depend on the database
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "a\r\nb", '","', "\ta", "", " "])
def test_what_a_device_wrote_runs_in_no_spreadsheet_and_breaks_no_line(
    engine: Engine,
    make,  # noqa: ANN001
    name: str,
    text: str,
) -> None:
    tell(engine, make.event(1, recording_name=text, label=text, scientific_name=text))
    tell(engine, make.effort(2).model_copy(update={"recording_name": text}))
    (line,) = table(engine, name)
    for cell in line.values():
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))
        assert not cell.startswith("-") or float(cell) < 0
        assert "\n" not in cell


def test_audacity_gets_a_track_of_three_columns_for_each_recording(engine: Engine, make, tmp_path: Path) -> None:  # noqa: ANN001
    tell(engine, make.event(1), make.event(2, p_peak=0.5), make.event(3, recording="b2:other"))
    tracks = unzipped(whole(engine, "audacity"))
    assert [*tracks] == ["pond/one/SITE_20261120_193000.txt", "pond/one/SITE_20261120_193000-2.txt"]
    lines = tracks["pond/one/SITE_20261120_193000.txt"].decode().splitlines()
    assert lines == ["10.000000\t12.000000\tPHYCUV 0.93", "20.000000\t22.000000\tPHYCUV 0.50"]
    # The training's reader takes the times; a label that is a code and a probability it names as none.
    track = tmp_path / "track.txt"
    track.write_text("\n".join(line.rpartition(" ")[0] for line in lines))
    read = [label for _, label in read_audacity(track, lambda *_: pytest.fail("a line that cannot be read"))]
    assert [(label.onset_s, label.offset_s, label.code) for label in read] == [(10, 12, "PHYCUV"), (20, 22, "PHYCUV")]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "C:\\a\\b.wav", "/abs.wav", ".hidden", "", "a\tb\n.wav", "é" * 400]
)
def test_no_name_of_a_device_leads_out_of_the_archive(engine: Engine, make, name: str) -> None:  # noqa: ANN001
    tell(engine, make.event(1, recording_name=name, label="a\tb\nc"), make.event(2, recording_name=name, recording="x"))
    tracks = unzipped(whole(engine, "audacity"))
    assert len({track.lower() for track in tracks}) == 2
    for track, text in tracks.items():
        assert re.fullmatch(r"pond/one/[A-Za-z0-9_-][A-Za-z0-9._-]*\.txt", track)
        assert text.count(b"\n") == 1
        assert text.count(b"\t") == 2
    for medium in lines_of(unzipped(whole(engine, "camtrap-dp"))["media.csv"]):
        assert re.fullmatch(r"^(?=^[^./~])(^((?!\.{2}).)*$).*$", medium["filePath"]), "as the standard wants it"


def test_camtrap_dp_is_a_package_whose_tables_fit_together(engine: Engine, make) -> None:  # noqa: ANN001
    tell(engine, make.effort(3), make.effort(4).model_copy(update={"recording": "b2:quiet", "id": uuid4()}))
    tell(engine, make.event(1), make.event(2, scientific_name="Hyla versicolor/chrysoscelis"))
    files = unzipped(whole(engine, "camtrap-dp"))
    package = json.loads(files["datapackage.json"])
    assert {"profile", "created", "contributors", "project", "spatial", "temporal", "taxonomic"} <= package.keys()
    assert [each["path"] for each in package["resources"]] == [*files][1:]
    deployments, media, observations = (lines_of(files[each["path"]]) for each in package["resources"])
    (deployment,) = deployments
    assert (deployment["latitude"], deployment["longitude"], deployment["locationName"]) == (
        "-22.4",
        "-47.55",
        "The pond",
    )
    assert {each["deploymentID"] for each in media + observations} == {deployment["deploymentID"]}
    assert len({each["mediaID"] for each in media}) == len(media) == 2
    assert {each["mediaID"] for each in observations} <= {each["mediaID"] for each in media}
    assert {each["fileMediatype"] for each in media} == {"audio/wav"}
    assert [each["scientificName"] for each in observations] == ["Physalaemus cuvieri", "Hyla"]
    assert package["taxonomic"] == [{"scientificName": "Hyla"}, {"scientificName": "Physalaemus cuvieri"}]
    for name, rows in (("eventStart", observations), ("eventEnd", observations), ("timestamp", media),
                       ("deploymentStart", deployments), ("deploymentEnd", deployments)):  # fmt: skip
        for row in rows:
            assert datetime.strptime(row[name], "%Y-%m-%dT%H:%M:%S%z").tzinfo
    how = {(each["observationLevel"], each["observationType"], each["classificationMethod"]) for each in observations}
    assert how == {("media", "animal", "machine")}
    assert [*deployment] == [*camtrap.DEPLOYMENTS]
    assert [*media[0]] == [*camtrap.MEDIA]
    assert [*observations[0]] == [*camtrap.OBSERVATIONS]


def test_camtrap_dp_says_which_site_has_no_place(engine: Engine, make) -> None:  # noqa: ANN001
    tell(engine, make.event(1))
    with pytest.raises(ConfigError, match="needs the place of pond: set latitude_deg"):
        whole(engine, "camtrap-dp", {})


def test_parquet_keeps_types_and_is_read_by_pandas(engine: Engine, make) -> None:  # noqa: ANN001
    pytest.importorskip("pyarrow")
    call = make.event(1)
    tell(engine, call)
    tell(engine, make.effort(2))
    frame = pandas.read_parquet(io.BytesIO(whole(engine, "parquet")))
    (row,) = frame.to_dict("records")
    assert (row["id"], row["start_utc"], row["p_peak"]) == (str(call.id), call.start_utc, 0.93)
    assert (row["night"], row["tz"], row["onset_sample"]) == (date(2026, 11, 20), "America/Sao_Paulo", 220_500)
    assert str(frame.dtypes["onset_sample"]) == "int64"
    (stretch,) = pandas.read_parquet(io.BytesIO(whole(engine, "parquet-effort"))).to_dict("records")
    assert (stretch["state"], stretch["samples"]) == ("analysed", 3_600 * 22_050)


def test_without_pyarrow_the_remedy_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'anura-edge\[parquet\]'"):
        whole(engine, "parquet")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_the_same_in_however_many_pieces_and_empty_where_nothing_came(
    engine: Engine,
    make,  # noqa: ANN001
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    assert whole(engine, name, {})
    tell(engine, *(make.event(seq) for seq in range(1, 8)))
    tell(engine, *(make.effort(seq) for seq in range(8, 12)))
    at_once = whole(engine, name)
    for module in ("formats", "audacity", "camtrap", "rows"):
        monkeypatch.setattr(f"anura_base.exchange.{module}.CHUNK_ROWS", 3)
    monkeypatch.setattr("anura_base.exchange.parquet.GROUP_ROWS", 3)
    pieces = [*export(engine, name, POND)]
    assert sum(piece.rows for piece in pieces) == (4 if "effort" in name else 7)
    if EXPORTS[name].suffix in {"csv", "txt"}:
        assert b"".join(piece.data for piece in pieces) == at_once
    if EXPORTS[name].suffix == "parquet":
        again = io.BytesIO(b"".join(piece.data for piece in pieces))
        pandas.testing.assert_frame_equal(pandas.read_parquet(again), pandas.read_parquet(io.BytesIO(at_once)))
