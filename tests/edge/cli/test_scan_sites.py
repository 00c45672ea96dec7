"""One scan of a folder with several sites: what it shows before it starts, and whose the rows are."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner, Result
from waves import chunk, fmt, guano, pcm16, riff

from anura_edge.audio import FloatArray
from anura_edge.cli.main import app
from anura_edge.errors import ConfigError

RATE_HZ = 8_000
CLOCK = ["--utc-offset=-03:00", "--zone", "America/Sao_Paulo"]


@pytest.fixture
def survey(
    tmp_path: Path, stream_path: Path, two_calls: Callable[..., FloatArray], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write recordings of two sites, one of them of two evenings, into a folder of two folders."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANURA__STATE_DIR", raising=False)
    monkeypatch.setenv("ANURA__MODEL__BUNDLE", str(stream_path))
    for number, name in enumerate(("pond/A_20261120_193000", "pond/A_20261121_193000", "river/B_20261120_200000")):
        file = tmp_path / "cards" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.01, (10 * RATE_HZ, 1)).astype(np.float32)
        sf.write(file, two_calls() + noise, RATE_HZ)
        os.utime(file, (1_764_000_000, 1_764_000_000))  # complete: it did not change for a long time
    return tmp_path / "cards"


def scan(*options: str) -> Result:
    return CliRunner().invoke(app, ["scan", "cards", *options], catch_exceptions=False)


def owners(folder: Path, kind: str = "event") -> dict[str, set[str]]:
    """Return the sites of each recording's rows."""
    with closing(sqlite3.connect(folder / "journal.db")) as db:
        rows = db.execute(f"SELECT recording_name, group_concat(DISTINCT site) FROM {kind} GROUP BY 1").fetchall()
    return {name: set(sites.split(",")) for name, sites in rows}


@pytest.mark.usefixtures("survey")
def test_each_row_is_of_the_site_of_its_folder(tmp_path: Path) -> None:
    result = scan("--sites-by", "folder", *CLOCK, "--out", "out")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("pond: 2 recordings, 0.3 MB\nriver: 1 recordings")
    for kind in ("event", "effort"):
        assert owners(tmp_path / "out", kind) == {
            "pond/A_20261120_193000.wav": {"pond"},
            "pond/A_20261121_193000.wav": {"pond"},
            "river/B_20261120_200000.wav": {"river"},
        }
    again = scan("--sites-by", "folder", *CLOCK, "--out", "out")
    assert "0 new recordings, 3 already analysed" in again.output


@pytest.mark.usefixtures("survey")
def test_export_knows_the_places_of_the_scan(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(
        "site,zone,offset,prefix\nwest,America/Sao_Paulo,-03:00,A\neast,America/Noronha,-02:00,B\n"
    )
    assert scan("--sites", "my.csv", "--out", "out").exit_code == 0
    result = CliRunner().invoke(app, ["export", "nightly", "--results", "out"], catch_exceptions=False)
    assert "2026-11-20T19:30:02-03:00" in result.output
    assert "2026-11-20T20:00:02-02:00" in result.output
    in_one_zone = ["export", "nightly", "--results", "out", "--zone", "UTC"]
    assert (
        "2026-11-20T22:30:02Z,2026-11-20T22:30:02Z"
        in CliRunner().invoke(app, in_one_zone, catch_exceptions=False).output
    )


@pytest.mark.usefixtures("survey")
def test_recorder_that_moved_has_two_sites(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text(
        "site,zone,offset,from,to,prefix\n"
        "first,America/Sao_Paulo,-03:00,,2026-11-20,A\nthen,America/Sao_Paulo,-03:00,2026-11-21,,A\n"
        "river,UTC,+00:00,,,B\n"
    )
    assert scan("--sites", "my.csv", "--out", "out").exit_code == 0
    assert set().union(*owners(tmp_path / "out").values()) == {"first", "then", "river"}


def test_recorders_have_sites_by_their_serial_numbers(survey: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        noise = np.random.default_rng(10 + number).normal(0, 0.01, 3 * RATE_HZ)
        content = riff(fmt(), guano(Serial=f"S{number}", Timestamp=""), chunk(b"data", pcm16(noise)))
        file = survey / f"2026112{number}_200000.wav"
        file.write_bytes(content)
        os.utime(file, (1_764_000_000, 1_764_000_000))
    assert scan("--sites-by", "serial", "--site", "other", *CLOCK, "--out", "out").exit_code == 0
    found = owners(tmp_path / "out", "effort")
    assert found["20261121_200000.wav"] == {"S1"}
    assert found["20261122_200000.wav"] == {"S2"}
    assert found["river/B_20261120_200000.wav"] == {"other"}


def test_dry_run_says_what_a_scan_does_and_stores_nothing(survey: Path, tmp_path: Path) -> None:
    (survey / "river" / "B_20261120_203000.wav").touch()
    result = scan("--sites-by", "folder", "--out", "out", "--dry-run")
    assert result.exit_code == 8
    assert (
        "pond: 2 recordings, 0.3 MB, 20.0 s; 2026-11-20 19:30Z to 2026-11-21 19:30Z; clock: unknown (2)"
        in result.output
    )
    assert "write --utc-offset, or the column offset" in result.output
    assert "unreadable, empty: 1" in result.output
    assert "3 recordings of 2 sites, 0 already analysed, 1 unreadable; 30.0 s to analyse" in result.output
    assert "x real time" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("survey")
def test_dry_run_counts_what_is_analysed_already() -> None:
    options = ("--sites-by", "folder", *CLOCK, "--out", "out")
    assert scan(*options).exit_code == 0
    *sites, plan = map(json.loads, scan(*options, "--dry-run", "--json").output.splitlines())
    assert [(each["site"]["site"], each["site"]["known"]) for each in sites] == [("pond", 2), ("river", 1)]
    assert plan["plan"]["new_s"] == 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("site,folder\npond,pond\n", "1 recordings are of no site, as river/B_20261120_200000.wav; name"),
        ("site,folder\npond,pond\nriver,pond\n", "is of pond .* and of river"),
    ],
)
@pytest.mark.usefixtures("survey")
def test_wrong_table_ends_before_the_scan(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "my.csv").write_text(table)
    with pytest.raises(ConfigError, match=message):
        scan("--sites", "my.csv", "--out", "out")
    assert not (tmp_path / "out").exists()
