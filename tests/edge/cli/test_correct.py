"""After a correction the rows are those of a scan with the right options, and nothing was analysed again."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner

from anura_edge.audio import FloatArray
from anura_edge.cli.main import app
from anura_edge.errors import AnuraError

RATE_HZ = 8_000
RIGHT = ["--sites-by", "folder", "--utc-offset=-03:00"]
NOT_COMPARED = ("analysis", "checksum", "config_hash")
"""They say which analysis made a row, and under which settings."""


@pytest.fixture
def survey(
    tmp_path: Path, stream_path: Path, two_calls: Callable[..., FloatArray], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write recordings of two folders, one of them without a time in its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANURA__STATE_DIR", raising=False)
    monkeypatch.setenv("ANURA__MODEL__BUNDLE", str(stream_path))
    for number, name in enumerate(("pond/A_20261120_193000", "river/B_20261120_200000", "river/notes")):
        file = tmp_path / "cards" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(0, 0.01, (10 * RATE_HZ, 1)).astype(np.float32)
        sf.write(file, two_calls() + noise, RATE_HZ)
        os.utime(file, (1_764_000_000, 1_764_000_000))
    return tmp_path


def run(*arguments: str) -> str:
    return CliRunner().invoke(app, arguments, catch_exceptions=False).output


def scan(out: str, *options: str) -> None:
    run("scan", "cards", "--format", "csv", "--out", out, *options)


def rows(out: str) -> list[dict[str, Any]]:
    """Return the rows of events and effort, without what differs between two scans."""
    with closing(sqlite3.connect(Path(out) / "journal.db")) as db:
        db.row_factory = sqlite3.Row
        found = [dict(row) for kind in ("event", "effort") for row in db.execute(f"SELECT * FROM {kind} ORDER BY id")]
    return [{name: value for name, value in row.items() if name not in NOT_COMPARED} for row in found]


@pytest.mark.usefixtures("survey")
def test_corrected_rows_are_those_of_a_right_scan() -> None:
    scan("right", *RIGHT)
    scan("wrong", "--site", "lake", "--utc-offset=+05:00")
    Path("sites.csv").write_text("site,offset,folder\npond,-03:00,pond\nriver,-03:00,river\n")
    before = rows("wrong")
    assert before != rows("right")
    assert "3 recordings would be corrected" in run(
        "correct", "--results", "wrong", "--sites", "sites.csv", "--dry-run"
    )
    assert rows("wrong") == before
    output = run("correct", "--results", "wrong", "--sites", "sites.csv")
    assert "pond/A_20261120_193000.wav, lake -> pond, +28,800 s, clock recorder" in output
    assert "river/notes.wav, lake -> river\n" in output  # the time of the file needs no offset
    assert rows("wrong") == rows("right")
    assert run("correct", "--results", "wrong") == "nothing was wrong\n"


@pytest.mark.usefixtures("survey")
def test_forgotten_offset_makes_clocks_known() -> None:
    scan("right", *RIGHT)
    scan("wrong", "--sites-by", "folder")
    assert "2 recordings corrected" in run("correct", "--results", "wrong", "--utc-offset=-03:00")
    assert rows("wrong") == rows("right")


@pytest.mark.usefixtures("survey")
def test_corrections_are_sent_as_a_new_analysis() -> None:
    scan("out", *RIGHT)
    with closing(sqlite3.connect("out/journal.db")) as db, db:
        db.execute("INSERT INTO settled SELECT seq, kind, id, '2026-12-01', 0 FROM outbox")
        db.execute("DELETE FROM outbox")
    run("correct", "--results", "out", "--clock-shift=60", "--recordings", "pond/*")
    with closing(sqlite3.connect("out/journal.db")) as db:
        waiting = [kind for (kind,) in db.execute("SELECT kind FROM outbox ORDER BY seq")]
        ((replaces, analysis),) = db.execute(
            "SELECT replaces, analysis FROM notice WHERE what = 'withdrawn'"
        ).fetchall()
        ids = {each for (each,) in db.execute("SELECT analysis FROM event WHERE recording_name LIKE 'pond/%'")}
    assert waiting[0] == "notice"
    assert set(waiting[1:]) == {"event", "effort"}
    assert ids == {analysis}
    assert analysis not in replaces


@pytest.mark.usefixtures("survey")
def test_files_of_the_results_follow_a_correction() -> None:
    scan("out", *RIGHT, "--zone", "America/Sao_Paulo")
    run("correct", "--results", "out", "--of-site", "pond", "--site", "lake")
    assert "0 new recordings, 3 already analysed" in run("scan", "cards", "--out", "out", "--format", "csv", *RIGHT)
    assert ",lake," in Path("out/csv.csv").read_text()
    assert "lake,2026-11-20" in run("export", "nightly", "--results", "out")


@pytest.mark.usefixtures("survey")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--results", "none", "--site", "a"], "no journal .*; analyse recordings with anura-edge scan"),
        (["--results", "out"], "nothing to correct; write --sites, --site, --utc-offset or --clock-shift"),
        (["--results", "out", "--site", "a b"], "--site 'a b': write a name of up to 32 letters"),
        (["--results", "out", "--utc-offset", "5"], "--utc-offset '5' is not an offset; write one as in -05:00"),
        (["--results", "out", "--sites", "serial.csv"], "the journal does not know serial numbers"),
    ],
)
def test_wrong_option_has_one_clear_message(options: list[str], message: str) -> None:
    scan("out")
    Path("serial.csv").write_text("site,serial\na,77\n")
    with pytest.raises(AnuraError, match=message):
        run("correct", *options)
