"""Any failure of the capture process is a SourceError and never blocks."""

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


def write_interpreter(folder: Path, script: str) -> str:
    """Write an executable that is run instead of Python."""
    program = folder / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("script", ["exit 1", "echo '{'", "echo; exec sleep 60", "head -c 100 /dev/zero"])
def test_process_that_ends_or_writes_no_json_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(sys, "executable", write_interpreter(tmp_path, script))
    with pytest.raises(SourceError, match="ended immediately"):
        CaptureProcess(None, None, 0, 0.1, Stop())


def test_process_that_cannot_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(SourceError, match="cannot start the capture process"):
        CaptureProcess(None, None, 0, 0.1, Stop())


def test_started_process_is_used_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("early", "late"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, "executable", write_interpreter(tmp_path / "early", """echo '{"error": "early"}'"""))
    captures = CaptureOpener(0, 0.1, Stop(), capture_spawn.spawn_capture(None, None, 0, 0.1))
    monkeypatch.setattr(sys, "executable", write_interpreter(tmp_path / "late", """echo '{"error": "late"}'"""))
    for expected in ("early", "late", "late"):
        with pytest.raises(SourceError, match=expected):
            captures.open(None, None)


def test_backlog_of_ten_seconds_drops_the_older_half() -> None:
    queue = BlockQueue(block_s=0.1)
    for number in range(101):
        queue.on_block(struct.pack("<f", number), 1, None, SimpleNamespace(input_overflow=number == 70))
    waiting = [queue.blocks.get() for _ in range(queue.blocks.qsize())]
    blocks = [(HEADER.unpack_from(block), struct.unpack_from("<f", block, HEADER.size)[0]) for block in waiting]
    assert [(header[0], value) for header, value in blocks] == [(number, number) for number in range(50, 101)]
    assert [header[0] for header, _ in blocks if header[3]] == [70]


def test_block_may_arrive_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = HEADER.pack(3, 1.5, 2, 1) + struct.pack("<4f", 0.1, 0.2, 0.3, 0.4)
    (tmp_path / "block").write_bytes(content)
    facts = '{"name": "a", "rate_hz": 8000, "channels": 2}'
    script = f"echo '{facts}'; head -c 30 {tmp_path}/block; read go < {tmp_path}/go; tail -c +31 {tmp_path}/block"
    os.mkfifo(tmp_path / "go")
    monkeypatch.setattr(sys, "executable", write_interpreter(tmp_path, script))
    capture = CaptureProcess(None, None, 0, 0.1, Stop())
    assert (capture.name, capture.rate_hz, capture.channels) == ("a", 8000, 2)
    assert capture.read(0.05) is None
    (tmp_path / "go").write_text("on\n")
    block = capture.read(DEADLINE_S)
    assert block
    assert (block.first_sample, block.arrived_s, block.overflowed) == (3, 1.5, True)
    np.testing.assert_array_equal(block.samples, np.array([[0.1, 0.2], [0.3, 0.4]], np.float32))
    with pytest.raises(SourceError, match="no more audio"):
        capture.read(DEADLINE_S)
    capture.close()
