import csv
import io
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from anura_base.config import Site
from anura_base.exchange.export import export
from anura_base.exchange.formats import FORMATS
from anura_base.ingest import Message, ingest
from anura_edge.wire import Row, batch

POND = {"pond": Site(title="The pond", latitude_deg=-22.4, longitude_deg=-47.55, zone="America/Sao_Paulo")}


def tell(engine: Engine, *rows: Row) -> None:
    message = Message(f"anura/v1/pond/one/{rows[0].kind}", batch(uuid4(), 1, rows), False, datetime.now(UTC))
    with engine.begin() as connection:
        ingest(connection, [message])


def table(engine: Engine, name: str) -> list[dict[str, Any]]:
    output = io.StringIO(newline="")
    rows = export(engine, name, POND, output)
    found = [*csv.DictReader(io.StringIO(output.getvalue(), newline=""), delimiter=FORMATS[name].delimiter)]
    assert len(found) == rows
    return found


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
@pytest.mark.parametrize("name", FORMATS)
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
