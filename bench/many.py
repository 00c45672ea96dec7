"""Whether a card of very many recordings is heard in a small memory, and gone on with: `python bench/many.py [FILES]`.

Writes FILES (100,000) recordings of 0.3 s, each of its own content (1.3 GB), has the `anura-edge` command scan them,
kills it (SIGKILL) when half of them are kept, and starts it again. Prints recordings per second, the memory along the
way, and how long the second start took to keep the next recording that was not kept before.
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
"""Younger files would be waited for."""

SETTLED = 1_000
"""Recordings after which memory should hardly grow any more."""


def write_card(card: Path, files: int) -> None:
    """Write recordings of faint noise, no two alike."""
    noise = np.random.default_rng(0).normal(0, 30, 10 * files + SAMPLES).astype(np.int16)
    for number in range(files):
        folder = card / f"{number // PER_FOLDER:04}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"A_{number:06}.wav"
        sf.write(path, noise[10 * number :][:SAMPLES], RATE_HZ)
        os.utime(path, (LONG_AGO, LONG_AGO))


class Scan:
    """The real command at work on a card."""

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

    def kept(self) -> int:
        """Count the recordings in the journal."""
        try:
            with closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as db:
                return int(db.execute("SELECT count(*) FROM recordings").fetchone()[0])
        except sqlite3.Error:
            return 0

    def memory_mb(self) -> float:
        """Return what it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def until(self, count: int, look: Callable[[int], None] = lambda _: None) -> float:
        """Wait until so many recordings are kept; return the time since the start."""
        while (kept := self.kept()) < count and self.process.poll() is None:
            look(kept)
            time.sleep(0.2)  # the journal is only looked at; looking more often would slow down what is measured
        return time.monotonic() - self.began_s


def main(files: int) -> None:
    """Print what was seen."""
    jobs = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="anura-many-") as folder:
        card, state = Path(folder) / "card", Path(folder) / "state"
        write_card(card, files)
        first = Scan(card, state, jobs)
        memory: list[tuple[int, float]] = []
        spent_s = first.until(files // 2, lambda kept: memory.append((kept, first.memory_mb())))
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        known = first.kept()
        settled = [mb for kept, mb in memory if kept >= SETTLED] or [memory[-1][1]]
        print(f"{known:,} of {files:,} recordings of 0.3 s kept in {spent_s:.1f} s by {jobs} jobs, then killed")
        grown = settled[-1] / settled[0] - 1
        print(
            f"memory: {settled[0]:.1f} MB after the first {SETTLED:,}, {settled[-1]:.1f} MB at the end, {grown:+.1%}; "
            f"at most {max(settled):.1f} MB"
        )
        second = Scan(card, state, jobs)
        print(f"started again: {second.until(known + 1):.1f} s until the next new recording was kept")
        second.process.send_signal(signal.SIGTERM)
        second.process.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
