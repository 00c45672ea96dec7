"""The files that `anura-edge scan --out` and `anura-edge export` write for other programs, from one scanned folder."""

import csv
import json
import zipfile
from pathlib import Path

import pytest
from camtrap_package import count_valid_rows
from typer.testing import CliRunner, Result

from anura_edge.cli.main import app
from anura_edge.demo.card import write_card
from anura_edge.errors import ConfigError

Lines = list[dict[str, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scan the demo's card into a folder of results, without settings."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ANURA__STATE_DIR", raising=False)
        patch.setenv("ANURA__MODEL__BUNDLE", "stream")  # the fastest
        patch.chdir(folder)
        scan = run("scan", str(write_card(folder)), "--out", "out", "--utc-offset=-05:00")
        assert scan.exit_code in {0, 8}, scan.output  # the card has damaged files
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def lines(file: Path, delimiter: str = ",") -> Lines:
    with file.open(newline="") as text:
        return [*csv.DictReader(text, delimiter=delimiter)]


def test_scan_without_settings_writes_each_format_and_its_journal(results: Path) -> None:
    out = results / "out"
    tables = lines(out / "raven.txt", "\t"), lines(out / "kaleidoscope.csv"), lines(out / "birdnet.csv")
    assert len({len(table) for table in tables}) == 1
    assert tables[0]
    assert (out / "journal.db").is_file()
    assert not [*out.rglob("*.part")]


def test_paths_of_raven_and_kaleidoscope_name_the_recordings(results: Path) -> None:
    assert all(Path(line["Begin Path"]).is_file() for line in lines(results / "out" / "raven.txt", "\t"))
    for line in lines(results / "out" / "kaleidoscope.csv"):
        assert Path(line["INDIR"], line["FOLDER"], line["IN FILE"]).is_file()


def test_label_tracks_have_three_columns_and_all_calls(results: Path) -> None:
    labels = [
        line for track in (results / "out" / "audacity").rglob("*.txt") for line in track.read_text().splitlines()
    ]
    assert len(labels) == len(lines(results / "out" / "birdnet.csv"))
    assert {label.count("\t") for label in labels} == {2}


def test_table_per_recording_counts_time_from_its_own_begin(results: Path) -> None:
    folder, out = results / "each", str(results / "out")
    assert run("export", "raven", "--per-recording", "--out", str(folder), "--results", out).exit_code == 0
    tables = [lines(file, "\t") for file in folder.rglob("*.selections.txt")]
    assert sum(map(len, tables)) == len(lines(results / "out" / "raven.txt", "\t"))
    assert all(line["Begin Time (s)"] == line["File Offset (s)"] for table in tables for line in table)


def test_export_selects_by_score_and_refuses_an_existing_file(results: Path) -> None:
    scores = [float(line["Confidence"]) for line in lines(results / "out" / "birdnet.csv")]
    limit, file = sorted(scores)[len(scores) // 2], results / "labels.zip"
    arguments = ("export", "audacity", "--results", str(results / "out"), "--out", str(file))
    assert run(*arguments, f"--min-score={limit}").exit_code == 0
    with zipfile.ZipFile(file) as archive:
        labels = b"".join(map(archive.read, archive.namelist())).splitlines()
    assert len(labels) == sum(score >= limit for score in scores)
    assert "exists already" in str(run(*arguments).exception)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "raven"], "need --out FOLDER"),
        (["--per-recording"], "need --out FOLDER"),
        (["--out", "x", "--format", "ravn"], "--format 'ravn': no such format; the formats are birdnet, raven"),
        (["--out", "x", "--format", "camtrap-dp"], "camtrap-dp needs positions; write --latitude"),
        (["--out", "x", "--zone", "Mars/One"], "device.zone: not a zone"),
    ],
)
def test_wrong_option_ends_before_the_scan(options: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["scan", str(tmp_path), *options])
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


@pytest.mark.parametrize("form", ["aoef", "camtrap-dp", "csv", "effort"])
def test_whole_data_sets_come_from_the_journal_with_the_places_of_the_options(results: Path, form: str) -> None:
    file, out = results / form, str(results / "out")
    place = ["--zone", "America/New_York", "--latitude", "35.9", "--longitude", "-79"]
    assert run("export", form, "--results", out, *place, "--out", str(file)).exit_code == 0
    calls = lines(results / "out" / "birdnet.csv")
    if form == "aoef":
        content = json.loads(file.read_text())["data"]
        assert len(content["sound_events"]) == len(content["sound_event_predictions"]) == len(calls)
        assert len(content["recordings"]) == 6
        assert {each["channels"] for each in content["recordings"]} == {2}
    elif form == "camtrap-dp":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(results / "package")
        assert count_valid_rows(results / "package") == [1, 6, len(calls)]
    elif form == "csv":
        assert {line["id"] for line in lines(file)} == {line["id"] for line in calls}
    else:
        assert sum(float(line["seconds"]) for line in lines(file)) == pytest.approx(360)


def test_confirmed_calls_are_selected_in_each_format(results: Path) -> None:
    calls = lines(results / "out" / "birdnet.csv")
    rows = [
        f"{calls[0]['id']},confirmed,{calls[0]['label']},{calls[0]['Scientific name']}",
        f"{calls[1]['id']},rejected,,",
    ]
    (results / "confirmed.csv").write_text("\n".join(["id,verdict,label,Scientific name", *rows]))
    command = ("export", "csv", "--results", str(results / "out"), "--confirmed-only", str(results / "confirmed.csv"))
    assert [line["id"] for line in csv.DictReader(run(*command).output.splitlines())] == [calls[0]["id"]]
