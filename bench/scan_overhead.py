"""Time and memory of scanning a card with many files, without the analysis: `python bench/scan_overhead.py [FILES]`.

Prints, for 1,000 files and for FILES (100,000), the time and peak memory of: the listing alone, a first scan that reads
each file's fingerprint, a second scan that recognises each file by its quick fingerprint, and one pass of a watch. The
files are hard links to ten recordings: different files by name, but the disk is read once. So the figures are those of
the program and the operating system, not of the card. Each row has its own process.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event

import numpy as np
import soundfile as sf

from anura_edge.app.device import DeviceRuntime
from anura_edge.config.device import Config
from anura_edge.config.operation import WatchSettings
from anura_edge.sources.files.scan import scan
from anura_edge.sources.files.watch import WatchedFolder

RATE_HZ, SECONDS = 24_000, 10
RECORDINGS, PER_FOLDER = 10, 1_000
LONG_AGO = 1_000_000_000
"""A scan leaves files that changed a short time ago."""


def write_card(root: Path, files: int) -> None:
    """Write ten recordings, and link them under many names."""
    rng = np.random.default_rng(0)
    originals = [root / f"original{number}.wav" for number in range(RECORDINGS)]
    for path in originals:
        sf.write(path, rng.normal(0, 0.001, RATE_HZ * SECONDS), RATE_HZ)
        os.utime(path, (LONG_AGO, LONG_AGO))
    for number in range(files):
        folder = root / "card" / f"{number // PER_FOLDER:04}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}.wav").hardlink_to(originals[number % RECORDINGS])


def measure(task: str, root: Path) -> None:
    """Run one task, and print the figures."""
    card, state = root / "card", root / "state"
    begin_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    if task == "listing":
        count = sum(1 for _ in scan(card))
    elif task == "watch":
        stop, count = Event(), 0
        for count, _ in enumerate(WatchedFolder(card, WatchSettings(), stop).watch(), 1):
            if count == int((root / "files").read_text()):
                stop.set()
    else:
        with DeviceRuntime(Config(state_dir=state), lambda _: None, Event()) as runtime:
            begin_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            began = time.perf_counter()
            runtime.scan_files(scan(card))
        count = runtime.summary.new + runtime.summary.known
    elapsed_s = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"files": count, "s": elapsed_s, "begin_mb": begin_mb, "peak_mb": peak_mb}))


def main(files: int) -> None:
    """Print the table."""
    print(f"{'':<14}{'files':>9}{'s':>9}{'us/file':>9}{'MB before':>11}{'MB peak':>9}")
    for count in (1_000, files):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            write_card(root, count)
            (root / "files").write_text(str(count))
            for task in ("listing", "watch", "first scan", "second scan"):
                command = [sys.executable, __file__, task, folder]
                found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                per_file = 1e6 * found["s"] / found["files"]
                print(
                    f"{task:<14}{found['files']:>9,}{found['s']:>9.2f}{per_file:>9.0f}"
                    f"{found['begin_mb']:>11.0f}{found['peak_mb']:>9.0f}"
                )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
