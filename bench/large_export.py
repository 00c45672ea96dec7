"""Exports from the journal of a large archive: seconds and peak memory of each format, and an export that is killed.

    python bench/large_export.py [RECORDINGS [FORMATS]]

Each recording has one piece of effort and two calls. Each format is written by a process of its own.
"""

import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.results.formats.registry import FORMATS
from anura_edge.store.journal import Journal
from anura_edge.store.rows import enqueue_row
from anura_edge.wire import Owner, Provenance, effort_row, event_row

RATE_HZ, LENGTH_S = 24_000, 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = Provenance("bench", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")
PLACE = ["--zone", "America/Sao_Paulo", "--latitude", "-22.4", "--longitude", "-47.5"]


def main() -> None:
    """Fill a journal, write each format, and print a table."""
    recordings = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else [*FORMATS]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root / "journal.db", recordings)
        size_mb = (root / "journal.db").stat().st_size / 1e6
        print(f"{recordings:,} recordings, {2 * recordings:,} calls, journal {size_mb:,.0f} MB\n")
        print("| format | s | peak memory, MB | file, MB |\n|---|---|---|---|")
        for name in names:
            file = root / f"{name}.{FORMATS[name].suffix}"
            began_s = time.monotonic()
            peak_mb = export(root, name, file)
            seconds = time.monotonic() - began_s
            print(f"| {name} | {seconds:.1f} | {peak_mb:.0f} | {file.stat().st_size / 1e6:.1f} |", flush=True)
        if "csv" in names:
            print("\n" + killed(root))


def fill(path: Path, recordings: int) -> None:
    """Store the rows of many recordings in one transaction."""
    owners = [Owner(f"site-{number}", "recorder") for number in range(10)]
    with closing(Journal(path)) as journal, journal.database.transaction() as db:
        for number in range(recordings):
            id_, name = f"{number:032x}", f"site-{number % 10}/A_{number:06d}.wav"
            start, analysis = BEGIN + timedelta(minutes=number), UUID(int=number)
            at = (id_, name, EffortState.ANALYSED, 0, LENGTH_S * RATE_HZ, RATE_HZ, start, ClockSource.RECORDER)
            effort = Effort(effort_id(id_, 0, EffortState.ANALYSED, MODEL.model_sha256), *at)
            enqueue_row(db, effort_row(0, effort, MODEL, analysis, 3), owners[number % 10])
            for onset_s in (5, 30):
                event = call(id_, name, start, onset_s)
                enqueue_row(db, event_row(0, event, MODEL, analysis, 3), owners[number % 10])


def call(recording: str, name: str, start: datetime, onset_s: int) -> Event:
    """Return a call of two seconds."""
    times = start + timedelta(seconds=onset_s), start + timedelta(seconds=onset_s + 2)
    samples = onset_s * RATE_HZ, (onset_s + 2) * RATE_HZ
    return Event(
        event_id(recording, samples[0], "PHYCUV", MODEL.model_sha256),
        *("PHYCUV", "Physalaemus cuvieri", recording, name, *samples, RATE_HZ, *times, ClockSource.RECORDER),
        *(0.9, 0.8, -30.0),
    )


def command(root: Path, name: str, file: Path) -> list[str]:
    """Return the command that writes a format."""
    program = [sys.executable, "-c", "from anura_edge.cli.main import main; main()"]
    return [*program, "export", name, "--results", str(root), *PLACE, "--out", str(file)]


def export(root: Path, name: str, file: Path) -> float:
    """Write a format. Return the peak memory of the process in MB."""
    measured = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *command(root, name, file)], check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1024


def killed(root: Path) -> str:
    """Kill an export while it writes, and repeat it. Return what was found."""
    file = root / "killed.csv"
    process = subprocess.Popen(command(root, "csv", file), stdout=subprocess.DEVNULL)
    partial = file.with_name(f"{file.name}.part")
    while process.poll() is None and not (partial.exists() and partial.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = "no file with its name" if not file.exists() else "a file with its name"
    export(root, "csv", file)
    is_equal = file.read_bytes() == (root / "csv.csv").read_bytes()
    return f"Killed while it wrote: {left}; repeated: {'the same bytes' if is_equal else 'OTHER BYTES'}"


if __name__ == "__main__":
    main()
