"""The commands `anura-base clock`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from device_rows import event
from exported import store

from anura_base.cli.main import main
from anura_base.db.engine import open_database
from anura_base.exchange.export import export
from anura_edge.audio import ClockSource

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str) -> Run:
    """Run the command in this process. Return exit code, stdout and stderr."""

    def run_command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["anura-base", "clock", *arguments, "--database", url])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return run_command


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'base.db'}"
    engine = open_database(url)
    store(engine, event(1, clock_source=ClockSource.UNKNOWN))
    engine.dispose()
    return url


def test_listed_recording_is_corrected(run: Run, url: str) -> None:
    code, output, _ = run("list", "--json")
    (listed,) = json.loads(output)
    assert (code, listed["recording"], listed["recorder_clock"]) == (
        0,
        "SITE_20261120_193000.wav",
        "2026-11-20 19:30:10",
    )
    code, output, _ = run("set", "pond", "one", "--utc-offset", "+10:00", "--by", "ana")
    assert (code, output) == (0, "the clock of 1 recordings of pond/one is corrected\n")
    assert json.loads(run("list", "--json")[1]) == []
    start = ["--start", "2026-11-20T19:30:00+09:00", "--recording", listed["id"]]
    assert run("set", "pond", "one", *start)[0] == 0
    engine = open_database(url)
    (line,) = b"".join(part.data for part in export(engine, "birdnet", {})).decode().splitlines()[1:]
    engine.dispose()
    assert "2026-11-20T10:30:10.000Z" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give either --utc-offset, or --start"),
        (["--utc-offset", "+10:00", "--start", "2026-11-20T19:30:00+09:00"], "give either"),
        (["--start", "2026-11-20T19:30:00+09:00"], "name it with --recording"),
        (["--utc-offset", "10"], "write it as in"),
        (["--start", "20:00", "--recording", "b2:8f31"], "write it as in"),
        (["--utc-offset", "+10:00", "--recording", "x.wav"], "has no recording x.wav"),
    ],
)
def test_mistake_is_one_line_with_the_remedy(run: Run, options: list[str], message: str) -> None:
    code, output, errors = run("set", "pond", "one", *options)
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert message in errors
