"""The capture program may fail in any way: that is an error like another, and leaves nobody waiting."""

import os
import struct
import sys
from pathlib import Path
from threading import Event as Stop
from types import SimpleNamespace

import numpy as np
import pytest
from support import DEADLINE_S

from anura_edge.errors import SourceError
from anura_edge.sources.microphone import capture_spawn
from anura_edge.sources.microphone.capture_client import CaptureOpener, CaptureProcess
from anura_edge.sources.microphone.capture_main import HEADER, BlockQueue


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
        CaptureProcess(None, None, 0, 0.1, Stop())


def test_a_machine_that_can_start_no_program_is_a_source_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="cannot start the capture program"):
        CaptureProcess(None, None, 0, 0.1, Stop())


def test_a_program_that_was_started_before_is_taken_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path / "early", """echo '{"error": "early"}'"""))
    captures = CaptureOpener(0, 0.1, Stop(), capture_spawn.spawn_capture(None, None, 0, 0.1))
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path / "late", """echo '{"error": "late"}'"""))
    for told in ("early", "late", "late"):
        with pytest.raises(SourceError, match=told):
            captures.open(None, None)


def test_when_ten_seconds_wait_the_older_half_is_dropped_and_positions_show_it() -> None:
    recorder = BlockQueue(block_s=0.1)
    for number in range(101):
        recorder.on_block(struct.pack("<f", number), 1, None, SimpleNamespace(input_overflow=number == 70))
    waiting = [recorder.blocks.get() for _ in range(recorder.blocks.qsize())]
    kept = [(HEADER.unpack_from(block), struct.unpack_from("<f", block, HEADER.size)[0]) for block in waiting]
    assert [(header[0], value) for header, value in kept] == [(number, number) for number in range(50, 101)]
    assert [header[0] for header, _ in kept if header[3]] == [70]


def test_a_block_may_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = HEADER.pack(3, 1.5, 2, 1) + struct.pack("<4f", 0.1, 0.2, 0.3, 0.4)
    (tmp_path / "block").write_bytes(block)
    said = '{"name": "a", "rate_hz": 8000, "channels": 2}'
    script = f"echo '{said}'; head -c 30 {tmp_path}/block; read go < {tmp_path}/go; tail -c +31 {tmp_path}/block"
    os.mkfifo(tmp_path / "go")
    monkeypatch.setattr(sys, "executable", stand_in(tmp_path, script))
    capture = CaptureProcess(None, None, 0, 0.1, Stop())
    assert (capture.name, capture.rate_hz, capture.channels) == ("a", 8000, 2)
    assert capture.read(0.05) is None
    (tmp_path / "go").write_text("on\n")
    found = capture.read(DEADLINE_S)
    assert found
    assert (found.first_sample, found.arrived_s, found.overflowed) == (3, 1.5, True)
    np.testing.assert_array_equal(found.samples, np.array([[0.1, 0.2], [0.3, 0.4]], np.float32))
    with pytest.raises(SourceError, match="no more audio"):
        capture.read(DEADLINE_S)
    capture.close()
