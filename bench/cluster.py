"""How a scan on a cluster scales: files planned per second, and one worker against two.

    python bench/cluster.py --files 100000 --recordings 24

It prints times, the ratio of two workers to one, and the memory of the planning process. Two workers need two free
cores. On a computer that is busy, the times say little: the processor time of the worker that needed most of it bounds
what two free cores would reach, without the start of tasks and the merge.
"""

import argparse
import logging
import resource
import tempfile
import time
from pathlib import Path
from threading import Event

from anura_edge.cluster.dispatch import connect
from anura_edge.cluster.scan import ArchiveScan
from anura_edge.config.device import Config
from anura_edge.demo.card import write_card


def main() -> None:
    """Print the time and memory of plans, and the time of one and of two workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--recordings", type=int, default=24)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anura-bench-") as folder:
        root = Path(folder)
        clips = sorted(path for path in write_card(root / "demo").rglob("*.wav") if path.stat().st_size)
        for count in (options.files // 10, options.files):
            _measure_plan(root, clips[0], count)
        _measure_workers(root, clips, options.recordings)


def _measure_plan(root: Path, clip: Path, count: int) -> None:
    archive = root / f"archive{count}"
    for number in range(count):
        path = archive / f"{number // 1_000:04}" / f"S4A_20260101_{number % 1_000:06}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(clip) if number % 1_000 else path.write_bytes(clip.read_bytes())
        clip = path if number % 1_000 == 0 else clip
    began_s = time.perf_counter()
    files = ArchiveScan(str(archive), root / f"plan{count}", Config(), Event()).plan()
    elapsed_s = time.perf_counter() - began_s
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"plan of {files:>7} files: {elapsed_s:5.1f} s, {memory_mb:4.0f} MB in all")


def _measure_workers(root: Path, clips: list[Path], recordings: int) -> None:
    archive = root / "recordings"
    for number in range(recordings):
        content = bytearray(clips[number % len(clips)].read_bytes())
        content[10_000:10_004] = number.to_bytes(4, "little")  # audio of its own: a copy is not counted
        path = archive / f"{number:03}" / clips[number % len(clips)].name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    times, busiest_s = {}, {}
    for workers in (1, 2):
        with connect(f"local:{workers}") as client:
            before = client.run(_load_model)
            scan = ArchiveScan(str(archive), root / f"out{workers}", Config(), Event())
            began_s = time.perf_counter()
            files = scan.plan()
            scan.run(client)
            events = sum(scan.merge(files, began_s).events.values())
            times[workers] = time.perf_counter() - began_s
            used_s = [after - before[worker] for worker, after in client.run(time.process_time).items()]
            busiest_s[workers] = max(used_s)
        each = " and ".join(f"{seconds:.1f}" for seconds in sorted(used_s))
        print(f"{workers} worker(s): {files} recordings, {events} events, {times[workers]:.1f} s; core-s: {each}")
    print(f"two workers are {times[1] / times[2]:.2f} x as fast as one; by core-s {busiest_s[1] / busiest_s[2]:.2f} x")


def _load_model() -> float:
    """Import what a worker needs, so that its start is not measured. Return the processor time until now."""
    import anura_edge.cluster.worker  # noqa: F401

    return time.process_time()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    main()
