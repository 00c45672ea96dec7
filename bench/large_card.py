"""Memory and restart time for a card of very many recordings: `python bench/large_card.py [FILES]`.

Writes FILES (100,000) different recordings of 0.3 s (1.3 GB), scans them with the `anura-edge` command, kills it
(SIGKILL) when half of them are stored, and starts it again. Prints the time, the memory over time, and how long the
second start needs to store the next new recording.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile as sf

RATE_HZ, SAMPLES, PER_FOLDER = 22_050, 6_615, 1_000
LONG_AGO = 1_000_000_000
"""A scan leaves files that changed a short time ago."""

WARM_UP = 1_000
"""Recordings after which the memory should hardly grow."""


def write_card(card: Path, files: int) -> None:
    """Write different recordings of quiet noise."""
    noise = np.random.default_rng(0).normal(0, 30, 10 * files + SAMPLES).astype(np.int16)
    for number in range(files):
        folder = card / f"{number // PER_FOLDER:04}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"A_{number:06}.wav"
        sf.write(path, noise[10 * number :][:SAMPLES], RATE_HZ)
        os.utime(path, (LONG_AGO, LONG_AGO))


class Scan:
    """A running scan command."""

    def __init__(self, card: Path, state: Path, jobs: int) -> None:
        command = [
            sys.executable,
            "-c",
            "from anura_edge.cli.main import main; main()",
            "scan",
            str(card),
            f"--jobs={jobs}",
        ]
        environment = {**os.environ, "ANURA__STATE_DIR": str(state)}
        self.began_s = time.monotonic()
        self._journal = state / "journal.db"
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stored(self) -> int:
        """Count the recordings in the journal."""
        try:
            with closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as db:
                return int(db.execute("SELECT count(*) FROM recordings").fetchone()[0])
        except sqlite3.Error:
            return 0

    def memory_mb(self) -> float:
        """Return its memory (RSS)."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def wait_for(self, count: int, observe: Callable[[int], None] = lambda _: None) -> float:
        """Wait until `count` recordings are stored. Return the time since the start."""
        while (stored := self.stored()) < count and self.process.poll() is None:
            observe(stored)
            time.sleep(0.2)  # more frequent queries would slow down the scan
        return time.monotonic() - self.began_s


def main(files: int) -> None:
    """Run both scans, and print the figures."""
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="anura-many-") as folder:
        card, state = Path(folder) / "card", Path(folder) / "state"
        write_card(card, files)
        first = Scan(card, state, jobs)
        memory: list[tuple[int, float]] = []
        spent_s = first.wait_for(files // 2, lambda stored: memory.append((stored, first.memory_mb())))
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        stored = first.stored()
        after_warm_up = [mb for count, mb in memory if count >= WARM_UP] or [memory[-1][1]]
        print(f"{stored:,} of {files:,} recordings stored in {spent_s:.1f} s by {jobs} jobs, then killed")
        growth = after_warm_up[-1] / after_warm_up[0] - 1
        print(
            f"memory: {after_warm_up[0]:.1f} MB after the first {WARM_UP:,}, {after_warm_up[-1]:.1f} MB at the end, "
            f"{growth:+.1%}; at most {max(after_warm_up):.1f} MB"
        )
        second = Scan(card, state, jobs)
        print(f"started again: {second.wait_for(stored + 1):.1f} s until the next new recording was stored")
        second.process.send_signal(signal.SIGTERM)
        second.process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
