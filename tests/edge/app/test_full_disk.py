"""A device on a full disk continues, and all its results are there when the disk has room again."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import soundfile as sf
from support import DEADLINE_S, eventually

from anura_edge.app.device import DeviceRuntime
from anura_edge.audio import FloatArray
from anura_edge.config.analysis import ModelSettings
from anura_edge.config.device import Config
from anura_edge.config.operation import ClipSettings, DiskSettings
from anura_edge.sources.files.scan import scan
from anura_edge.store.journal import Journal
from anura_edge.store.run_summary import RunSummary

RATE_HZ = 8_000
FILES = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]).returncode:
        pytest.skip("this user may not mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> Path:
    """Take the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1_000_000, 4_096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return ballast


def test_device_continues_after_a_full_disk(
    small_disk: Path, tmp_path: Path, stream_path: Path, two_calls: Callable[..., FloatArray]
) -> None:
    card, later = tmp_path / "card", tmp_path / "later"
    card.mkdir()
    later.mkdir()
    rng = np.random.default_rng(1)
    for n in range(FILES):  # each with more events than fit into the rest of a page
        sound = np.tile(two_calls(), (12, 1)) + rng.normal(0, 1e-4, (120 * RATE_HZ, 1))
        sf.write((card if n == 0 else later) / f"{n:02d}_20261120_1930{n:02d}.wav", sound, RATE_HZ)
    settings = {
        "ANURA__STATE_DIR": str(small_disk / "state"),
        "ANURA__MODEL__BUNDLE": str(stream_path),
        "ANURA__WATCH__INTERVAL_S": "0.1",
        "ANURA__WATCH__DEBOUNCE_S": "0.1",
        "ANURA__HEALTH__INTERVAL_S": "0.1",
        "ANURA__DISK__MIN_FREE_MB": "1",
        "ANURA__DISK__MIN_FREE_INODES": "10",
    }
    program = [sys.executable, "-c", "from anura_edge.cli.main import main; main()", "run", "--json", "--watch"]
    device = subprocess.Popen(
        [*program, "--source", f"folder:{card}"], env={**os.environ, **settings},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert device.stdout
    assert device.stderr
    shown: list[dict[str, Any]] = []
    log_lines: list[str] = []
    out, err = device.stdout, device.stderr
    readers = [
        Thread(target=lambda: shown.extend(json.loads(line) for line in out)),
        Thread(target=lambda: log_lines.extend(err)),
    ]
    for reader in readers:
        reader.start()
    try:
        per_file = eventually(lambda: len(shown) if len(shown) >= 24 else 0)
        ballast = fill(small_disk)
        eventually(lambda: "the disk is nearly full" in "".join(log_lines))
        for file in sorted(later.iterdir()):
            shutil.copy(file, card)
        eventually(lambda: "wait in memory" in "".join(log_lines))
        ballast.unlink()
        eventually(lambda: len(shown) == FILES * per_file)
        device.terminate()
        assert device.wait(DEADLINE_S) == 0
    finally:
        device.kill()
        device.wait()
        for reader in readers:
            reader.join()
        out.close()
        err.close()
    assert "Traceback" not in "".join(log_lines)
    journal = Journal(small_disk / "state" / "journal.db")
    ids, notices = (
        journal.event_ids(),
        [row for row in [each.row for each in journal.outbox.pending(0, 10_000)] if row.kind == "notice"],
    )
    journal.close()
    assert ids == {UUID(line["event"]["id"]) for line in shown if "event" in line}
    assert len(ids) == FILES * per_file
    assert [row.what for row in notices] == ["disk_low"]


def test_device_on_a_full_disk_frees_clips_before_it_opens_its_journal(
    small_disk: Path, tmp_path: Path, stream_path: Path, two_calls: Callable[..., FloatArray]
) -> None:
    card = tmp_path / "card"
    card.mkdir()
    sf.write(card / "A_20261120_193000.wav", two_calls(), RATE_HZ)
    config = Config(
        state_dir=small_disk / "state",
        model=ModelSettings(bundle=stream_path),
        clips=ClipSettings(enabled=True),
        disk=DiskSettings(min_free_mb=1, min_free_inodes=0),
    )

    def run() -> RunSummary:
        with DeviceRuntime(config, lambda _: None, Event()) as runtime:
            runtime.scan_files(scan(card))
        return runtime.summary

    assert run().new == 1
    for second in range(30):
        (config.clips_path / f"20261120T1930{second:02}000Z_LOW-900.flac").write_bytes(bytes(100_000))
    fill(small_disk)
    assert shutil.disk_usage(small_disk).free == 0
    assert run().known == 1
    assert 5 < len(list(config.clips_path.iterdir())) < 30, "as many clips are deleted as needed"
