"""`anura-edge review` starts the base station's program in place of its own process."""

import os
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anura_edge.cli.main import app
from anura_edge.errors import ConfigError


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that replace the process."""
    monkeypatch.setenv("ANURA__STATE_DIR", str(tmp_path / "state"))
    lines: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: lines.append(arguments))
    return lines


def test_journal_zone_and_recordings_are_passed_on(started: list[list[str]], tmp_path: Path) -> None:
    options = ["--recordings", str(tmp_path), "--zone", "America/Sao_Paulo", "--no-browser", "--port", "8001"]
    result = CliRunner().invoke(app, ["review", "--results", str(tmp_path / "results"), *options])
    assert result.exit_code == 0, result.output
    ((program, *words),) = started
    assert program == sys.executable
    assert words[:3] == ["-m", "anura_base.cli", "review"]
    assert words[3] == str(tmp_path / "results" / "journal.db")
    assert words[4:] == [*options[:5], "--port=8001"]


def test_missing_extra_is_told(started: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anura_edge.cli.review.find_spec", lambda name: None if name == "fastapi" else name)
    result = CliRunner().invoke(app, ["review"])
    assert isinstance(result.exception, ConfigError)
    assert "the pages need fastapi; install them with pip install 'anura-edge[base]'" in str(result.exception)
    assert started == []
