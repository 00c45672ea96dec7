"""The capture program may fail in any way: that is an error like another, and leaves nobody waiting."""

import sys
from pathlib import Path
from threading import Event as Stop

import pytest

from anura_edge.errors import SourceError
from anura_edge.sources import capture_program
from anura_edge.sources.capture_process import CaptureProcess, Captures


def stand_in(folder: Path, script: str) -> str:
    """Write a Python interpreter that does something else."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("script", ["exit 1", "echo '{'", "echo; exec sleep 60", "head -c 100 /dev/zero"])
def test_a_program_that_ends_or_talks_nonsense_is_a_source_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path, script))
    with pytest.raises(SourceError, match="ended at once"):
        CaptureProcess(None, None, 0, Stop())


def test_a_machine_that_can_start_no_program_is_a_source_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="cannot start the capture program"):
        CaptureProcess(None, None, 0, Stop())


def test_a_program_that_was_started_before_is_taken_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path / "early", """echo '{"error": "early"}'"""))
    captures = Captures(0, Stop(), capture_program.start(None, None, 0))
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path / "late", """echo '{"error": "late"}'"""))
    for told in ("early", "late", "late"):
        with pytest.raises(SourceError, match=told):
            captures.open(None, None)
