"""Speed of the command `anura-edge scan` for a whole card: `python bench/scan_speed.py [MINUTES]`.

Writes MINUTES (240) different recordings of one minute, 22,050 Hz stereo like those of a Song Meter, and scans them
with the default model: on one core with one job, and on two cores with two. Prints times real time as the command
reports it and for the whole process with its start, and the CPU time.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from anura_edge.demo.card import write_card

RATE_HZ = 22_050
MINUTE_S = 60


def write_minutes(folder: Path, minutes: int) -> Path:
    """Write copies of the demo card's minutes, each with a lower gain than the one before."""
    data = folder / "card"
    data.mkdir()
    sources = [path for path in sorted(write_card(folder / "demo").iterdir()) if path.stat().st_size]
    audio = []
    for path in sources:
        samples, rate_hz = sf.read(path, dtype="float32")
        audio.append(soxr.resample(samples, rate_hz, RATE_HZ)[: MINUTE_S * RATE_HZ])
    for number in range(minutes):
        at = time.strftime("%Y%m%d_%H%M%S", time.gmtime(1_744_000_000 + 600 * number))
        gain = np.float32(1 - number / (4 * minutes))
        path = data / f"SMA00001_{at}.wav"
        sf.write(path, gain * audio[number % len(audio)], RATE_HZ, subtype="PCM_16")
        os.utime(path, (1_744_000_000, 1_744_000_000))
    return data


def scan(data: Path, state: Path, jobs: int) -> dict[str, float]:
    """Scan on as many cores as jobs. Return the figures."""
    settings = state.with_suffix(".yaml")
    settings.write_text(f"schema: 1\nstate_dir: {state}\n")
    command = ["anura-edge", "scan", str(data), "--config", str(settings), "--jobs", str(jobs)]
    cores = sorted(os.sched_getaffinity(0))[:jobs]
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    wall_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    (reported,) = re.findall(r"analysed at ([\d,]+) x real time", done.stdout)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"reported": float(reported.replace(",", "")), "wall_s": wall_s, "cpu_s": cpu_s}


def main() -> None:
    """Print the table."""
    minutes = int(sys.argv[1]) if len(sys.argv) > 1 else 240
    print("| cores | x real time as reported | with the start | core-seconds for an hour of audio |")
    print("|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        data = write_minutes(Path(folder), minutes)
        scan(data, Path(folder) / "warm", 2)  # reads the card into the page cache
        for jobs in (1, 2):
            found = scan(data, Path(folder) / f"state{jobs}", jobs)
            whole, hour_s = minutes * MINUTE_S / found["wall_s"], found["cpu_s"] * 3600 / (minutes * MINUTE_S)
            print(f"| {jobs} | {found['reported']:,.0f} | {whole:,.0f} | {hour_s:.2f} |")


if __name__ == "__main__":
    main()
