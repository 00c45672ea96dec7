"""Exports from the journal of a large archive: processor time and peak memory of each format, and killed exports.

    python bench/large_export.py [RECORDINGS [FORMATS]]

Each recording has one piece of effort and two calls. Each format is written by a process of its own.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from uuid import UUID

from anura_edge.audio import ClockSource
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.results.formats.registry import FORMATS
from anura_edge.store.journal import Journal
from anura_edge.store.rows import enqueue_row, summed_columns
from anura_edge.wire import Owner, Provenance, effort_row, event_row

RATE_HZ, LENGTH_S = 24_000, 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = Provenance("bench", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")
COPIED = 1_000
"""Recordings whose rows are made by the code of the device."""

PER_RECORDING = "audacity --per-recording"
NAMES = (*FORMATS, "nightly", "hourly", "sunset", "occupancy", PER_RECORDING)
PLACE = ["--zone", "America/Sao_Paulo", "--latitude", "-22.4", "--longitude", "-47.5"]


def main() -> None:
    """Fill a journal, write each format, and print a table."""
    recordings = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else [*NAMES]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root / "journal.db", recordings)
        size_mb = (root / "journal.db").stat().st_size / 1e6
        print(f"{recordings:,} recordings, {2 * recordings:,} calls, journal {size_mb:,.0f} MB\n")
        print("| format | processor s | peak memory, MB | size, MB |\n|---|---|---|---|")
        for name in names:
            out = root / name
            seconds, peak_mb = export(root, name, out)
            files = [out] if out.is_file() else [file for file in out.rglob("*") if file.is_file()]
            size_mb = sum(file.stat().st_size for file in files) / 1e6
            print(f"| {name} | {seconds:.1f} | {peak_mb:.0f} | {size_mb:.1f} |", flush=True)
        if "csv" in names:
            print("\n" + killed_file(root))
        if PER_RECORDING in names:
            print("\n" + killed_folder(root, recordings))


def fill(path: Path, recordings: int) -> None:
    """Store the rows of `recordings` recordings: some by the code of the device, the others as copies of these."""
    first = min(COPIED, recordings)
    owners = [Owner(f"site-{number}", "recorder") for number in range(10)]
    with closing(Journal(path)) as journal, journal.database.transaction() as db:
        for number in range(first):
            id_, name = f"{number:032x}", f"{0:04d}/A_{number:06d}.wav"
            start, analysis = BEGIN + timedelta(minutes=number), UUID(int=number)
            at = (id_, name, EffortState.ANALYSED, 0, LENGTH_S * RATE_HZ, RATE_HZ, start, ClockSource.RECORDER)
            effort = Effort(effort_id(id_, 0, EffortState.ANALYSED, MODEL.model_sha256), *at)
            enqueue_row(db, effort_row(0, effort, MODEL, analysis, 3), owners[number % 10])
            for onset_s in (5, 30):
                event = call(id_, name, start, onset_s)
                enqueue_row(db, event_row(0, event, MODEL, analysis, 3), owners[number % 10])
        for copy in range(1, -(-recordings // first)):
            for kind in ("event", "effort"):
                _copy(db, kind, copy, timedelta(minutes=copy * first), recordings - copy * first)


def _copy(db: Connection, kind: str, copy: int, shift: timedelta, most: int) -> None:
    """Copy the first rows of a table with other recordings, ids and times."""
    new = {name: name for name in summed_columns(db, kind).split(", ")}
    new |= {name: f"printf('%08x', {copy}) || substr({name}, 9)" for name in ("id", "recording", "analysis")}
    new["recording_name"] = f"printf('%04d', {copy}) || substr(recording_name, 5)"
    for name in {"start_utc", "end_utc"} & new.keys():
        new[name] = f"shifted({name}, {shift.total_seconds()})"
    db.create_function("shifted", 2, _shifted)
    columns = ", ".join(new)
    last = f"{min(most, COPIED) - 1:032x}"
    db.execute(
        f"INSERT INTO {kind} ({columns}, checksum) SELECT *, row_checksum({columns}) FROM"
        f" (SELECT {', '.join(f'{value} AS {name}' for name, value in new.items())} FROM {kind} WHERE recording <= ?)",
        (last,),
    )
    db.execute(
        f"INSERT INTO outbox (kind, id) SELECT '{kind}', id FROM {kind} WHERE recording BETWEEN ? AND ?",
        (f"{copy:08x}", f"{copy:08x}g"),
    )


def _shifted(time_utc: str, seconds: float) -> str:
    return (datetime.fromisoformat(time_utc) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def call(recording: str, name: str, start: datetime, onset_s: int) -> Event:
    """Return a call of two seconds."""
    times = start + timedelta(seconds=onset_s), start + timedelta(seconds=onset_s + 2)
    samples = onset_s * RATE_HZ, (onset_s + 2) * RATE_HZ
    return Event(
        event_id(recording, samples[0], "PHYCUV", MODEL.model_sha256),
        *("PHYCUV", "Physalaemus cuvieri", recording, name, *samples, RATE_HZ, *times, ClockSource.RECORDER),
        *(0.9, 0.8, -30.0),
    )


def command(root: Path, name: str, out: Path) -> list[str]:
    """Return the command that writes a format."""
    program = [sys.executable, "-c", "from anura_edge.cli.main import main; main()"]
    return [*program, "export", *name.split(), "--results", str(root), *PLACE, "--out", str(out)]


def export(root: Path, name: str, out: Path) -> tuple[float, float]:
    """Write a format. Return the processor time of the process in seconds and its peak memory in MB."""
    measured = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *command(root, name, out)], check=True, capture_output=True, text=True
    )
    seconds, peak_kb = map(float, done.stdout.split())
    return seconds, peak_kb / 1024


def kill_when(process: subprocess.Popen[bytes], is_time: Callable[[], bool]) -> None:
    """Kill a process as soon as `is_time` says so."""
    while process.poll() is None and not is_time():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


def killed_file(root: Path) -> str:
    """Kill an export into one file while it writes, and repeat it. Return the line of the report."""
    file = root / "killed.csv"
    partial = file.with_name(f"{file.name}.part")
    process = subprocess.Popen(command(root, "csv", file), stdout=subprocess.DEVNULL)
    kill_when(process, lambda: partial.exists() and partial.stat().st_size > 0)
    left = "no file with its name" if not file.exists() else "A FILE WITH ITS NAME"
    export(root, "csv", file)
    is_equal = file.read_bytes() == (root / "csv").read_bytes()
    return f"csv killed while it wrote: {left}; repeated: {'the same bytes' if is_equal else 'OTHER BYTES'}"


def killed_folder(root: Path, recordings: int) -> str:
    """Kill an export into a folder when it has half of its files, and repeat it. Return the line of the report."""
    folder, whole = root / "killed", root / PER_RECORDING
    process = subprocess.Popen(command(root, PER_RECORDING, folder), stdout=subprocess.DEVNULL)
    half = sorted(path.relative_to(whole) for path in whole.rglob("*.txt"))[recordings // 2]
    kill_when(process, (folder / half).exists)
    before = {file: file.stat().st_ino for file in folder.rglob("*.txt")}
    seconds, peak_mb = export(root, PER_RECORDING, folder)
    kept = sum(file.stat().st_ino == inode for file, inode in before.items())
    contents = [{path.relative_to(of): path.read_bytes() for path in of.rglob("*.txt")} for of in (folder, whole)]
    is_equal = contents[0] == contents[1]
    return (
        f"{PER_RECORDING} killed with {len(before):,} of {recordings:,} files: repeated in {seconds:.1f} processor s"
        f" and {peak_mb:.0f} MB, {kept:,} of them not written again;"
        f" {'the same files' if is_equal else 'OTHER FILES'}"
    )


if __name__ == "__main__":
    main()
