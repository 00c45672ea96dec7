"""Camtrap DP packages, as other programs read them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from camtrap_package import FIELDS, count_valid_rows
from exported import POND, judge, lines_of, store, unzipped, whole_file
from sqlalchemy import Engine

from anura_base.config.settings import Site
from anura_base.exchange.call_filter import CallFilter, VerdictFilter
from anura_edge.audio import ClockSource
from anura_edge.errors import ConfigError
from anura_edge.events import EffortState
from anura_edge.results.formats import camtrap

CONFIRMED = CallFilter(verdict=VerdictFilter.CONFIRMED)


def tables(data: bytes) -> dict[str, list[dict[str, Any]]]:
    files = unzipped(data)
    return {name: lines_of(files[f"{name}.csv"]) for name in FIELDS}


def store_every_kind(engine: Engine, make: Any) -> None:
    """Store calls with every verdict and clock, of two sites."""
    calls = [make.event(seq) for seq in range(1, 5)]
    store(engine, *calls, make.event(5, scientific_name="Hyla versicolor/chrysoscelis"))
    for call, verdict in zip(calls, ("confirmed", "rejected", "relabelled"), strict=False):
        judge(engine, call.id, verdict, "BOAFAB")
    unknown = make.event(1, clock_source=ClockSource.UNKNOWN, recording="b2:2", recording_name="a/b..é.MP3")
    store(engine, unknown, device="two")
    store(engine, make.event(1), site="fen")
    store(engine, make.effort(6))


def test_frictionless_finds_no_error_in_a_package(engine: Engine, make: Any, tmp_path: Path) -> None:
    store_every_kind(engine, make)
    for name, content in unzipped(whole_file(engine, "camtrap-dp")).items():
        (tmp_path / name).write_bytes(content)
    assert count_valid_rows(tmp_path) == [2, 2, 6]


def test_verdicts_are_in_the_observations(engine: Engine, make: Any) -> None:
    store_every_kind(engine, make)
    confirmed, rejected, relabelled, unreviewed, *_ = tables(whole_file(engine, "camtrap-dp"))["observations"]
    for line in (confirmed, rejected, relabelled):
        assert (line["classificationMethod"], line["classifiedBy"]) == ("human", "ana")
        assert datetime.fromisoformat(line["classificationTimestamp"]) > datetime.now(UTC) - timedelta(hours=1)
        assert line["classificationProbability"] == ""
    assert (unreviewed["classificationMethod"], unreviewed["classificationTimestamp"]) == ("machine", "")
    assert [line["observationType"] for line in (confirmed, rejected, relabelled)] == ["animal", "blank", "animal"]
    assert (rejected["scientificName"], confirmed["scientificName"]) == ("", "Physalaemus cuvieri")
    assert "label:BOAFAB" in relabelled["observationTags"]
    of_confirmed = tables(whole_file(engine, "camtrap-dp", calls=CONFIRMED))["observations"]
    assert [line["observationID"] for line in of_confirmed] == [confirmed["observationID"], relabelled["observationID"]]


def test_unknown_clocks_are_a_deployment_with_timestamp_issues(engine: Engine, make: Any) -> None:
    store_every_kind(engine, make)
    found = tables(whole_file(engine, "camtrap-dp"))
    assert {line["deploymentID"]: line["timestampIssues"] for line in found["deployments"]} == {
        "pond:one": "false",
        "pond:two:unknown-clock": "true",
    }
    (observation,) = [line for line in found["observations"] if line["deploymentID"] == "pond:two:unknown-clock"]
    assert "clock is unknown" in observation["observationComments"]
    assert [line["mediaComments"] != "" for line in found["media"]] == [False, True]


def test_deployment_ends_with_the_last_sound(engine: Engine, make: Any) -> None:
    off = make.effort(3, EffortState.OFF, hours=30).model_copy(update={"first_sample": 1})
    store(engine, make.event(1), make.event(2))
    store(engine, make.effort(1, hours=2), off)
    (deployment,) = tables(whole_file(engine, "camtrap-dp"))["deployments"]
    assert (deployment["deploymentStart"], deployment["deploymentEnd"]) == (
        "2026-11-20T19:30:00Z",
        "2026-11-20T21:30:00Z",
    )


def test_recordings_of_equal_name_in_different_folders_stay_apart(engine: Engine, make: Any) -> None:
    names = ["A/1.wav", "B/1.wav"]
    store(engine, *(make.event(n + 1, recording=f"b2:{n}", recording_name=name) for n, name in enumerate(names)))
    media = tables(whole_file(engine, "camtrap-dp"))["media"]
    assert sorted(line["filePath"] for line in media) == [f"media/pond/one/{name}" for name in names]
    assert sorted(line["fileName"] for line in media) == names


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.WAV", "audio/wav"), ("a.mp3", "audio/mpeg"), ("a.ogg", "audio/ogg"), ("a.opus", "audio/ogg"),
     ("a.flac", "audio/flac"), ("a.aiff", "audio/aiff"), ("microphone", "audio/wav")],
)  # fmt: skip
def test_medium_has_the_type_of_its_file(engine: Engine, make: Any, name: str, media_type: str) -> None:
    store(engine, make.event(1, recording_name=name))
    (medium,) = tables(whole_file(engine, "camtrap-dp"))["media"]
    assert medium["fileMediatype"] == media_type


def test_site_without_a_position_is_left_out_and_named(engine: Engine, make: Any) -> None:
    store(engine, make.event(1))
    store(engine, make.event(1), site="fen")
    data = whole_file(engine, "camtrap-dp", POND | {"fen": Site()})
    found = tables(data)
    assert {line["deploymentID"] for lines in found.values() for line in lines} == {"pond:one"}
    assert "position is unknown: fen" in json.loads(unzipped(data)["datapackage.json"])["description"]


def test_camtrap_dp_tables_refer_to_each_other(engine: Engine, make: Any) -> None:
    store(engine, make.effort(3), make.effort(4).model_copy(update={"recording": "b2:quiet", "id": uuid4()}))
    store(engine, make.event(1), make.event(2, scientific_name="Hyla versicolor/chrysoscelis"))
    files = unzipped(whole_file(engine, "camtrap-dp"))
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


def test_camtrap_dp_names_sites_without_position(engine: Engine, make: Any) -> None:
    store(engine, make.event(1))
    with pytest.raises(ConfigError, match="needs the position of pond: set latitude_deg"):
        whole_file(engine, "camtrap-dp", {})
