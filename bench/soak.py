"""Soak test: a simulated day of a microphone with all kinds of faults, and the account of every second.

    python bench/soak.py --hours 24

Device, journal, broker and base station are real; the microphone and the time are simulated. It prints the planned
faults next to the effort rows of the base station, and the memory. Run it with the development environment's Python.
"""

import argparse
import random
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, groupby
from pathlib import Path
from typing import Any

import soundfile as sf
import soxr

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

from faultlab.servers import Servers  # noqa: E402

from anura_edge.app.device import DeviceRuntime  # noqa: E402
from anura_edge.audio import FloatArray  # noqa: E402
from anura_edge.config.device import Config  # noqa: E402
from anura_edge.config.yaml_loader import load  # noqa: E402
from anura_edge.demo.card import CLIPS  # noqa: E402
from anura_edge.events import EffortState, NoticeKind  # noqa: E402
from anura_edge.testing import SimulatedClock, SimulatedMicrophone, faint_noise  # noqa: E402

START_UTC_S = 1_795_000_000.0
SLOT_S = 900.0
"""One fault happens in each quarter of an hour."""
CALL_EVERY_S = 300.0


@dataclass
class Plan:
    """The planned faults: (seconds after the start, duration in seconds)."""

    away: list[tuple[float, float]] = field(default_factory=list)
    overflows: list[tuple[float, float]] = field(default_factory=list)
    backlogs: list[tuple[float, float]] = field(default_factory=list)
    silences: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def of(cls, seconds: float) -> "Plan":
        """Plan faults for this duration."""
        plan = cls()
        kinds = cycle([plan.away, plan.overflows, plan.backlogs, plan.silences, plan.overflows, plan.steps])
        lengths = cycle([40.0, 0.5, 5.0, 120.0, 2.0, -3_600.0, 300.0, 1.0, 7.5, 240.0, 0.3, 3_600.8])
        for number in range(int(seconds / SLOT_S)):
            next(kinds).append((SLOT_S * number + 400, next(lengths)))
        return plan

    def gaps(self) -> list[tuple[float, float]]:
        """Return all planned gaps, in order."""
        return sorted(self.away + self.overflows + self.backlogs)


def sound_of(plan: Plan, clock: SimulatedClock, rate_hz: int) -> Callable[[int, int], FloatArray]:
    """Return a function for quiet noise with regular calls, and zeros during the planned silences."""
    clip, clip_hz = sf.read(CLIPS / "HYLCIN_n00.ogg", dtype="float32")
    call = soxr.resample(clip[: 3 * clip_hz], clip_hz, rate_hz) / 4
    quiet, every = faint_noise(), round(CALL_EVERY_S * rate_hz)
    began_s = clock.monotonic_s

    def sound(first: int, count: int) -> FloatArray:
        now_s = clock.monotonic_s - began_s
        samples = quiet(first, count).copy()
        if any(at_s <= now_s < at_s + length_s for at_s, length_s in plan.silences):
            samples[:] = 0
        elif (at := first % every) < len(call):
            part = call[at : at + count]
            samples[: len(part)] += part
        return samples

    return sound


def memory_mb() -> float:
    """Return the memory of this process (RSS)."""
    (kb,) = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(kb) / 1024


def listed_gaps(efforts: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return (first sample, length) of each gap. Adjacent dropped rows, split at a full hour, are one gap."""
    gaps = []
    for dropped, rows in groupby(efforts, key=lambda row: row["state"] == EffortState.DROPPED):
        stretch = list(rows)
        if dropped:
            gaps.append((stretch[0]["first_sample"], sum(row["samples"] for row in stretch)))
    return gaps


class MemoryLog(threading.Thread):
    """Samples the memory while the simulation runs."""

    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(daemon=True)
        self._clock, self._began_s = clock, clock.monotonic_s
        self._over = threading.Event()
        self.mb: list[tuple[float, float]] = []
        """Simulated seconds since the start, and megabytes."""

    def run(self) -> None:
        """Sample until `end`."""
        while not self._over.wait(0.1):
            self.mb.append((self._clock.monotonic_s - self._began_s, memory_mb()))

    def end(self) -> None:
        """Stop sampling."""
        self._over.set()
        self.join()

    def after(self, seconds: float) -> float:
        """Return the first sample after `seconds`."""
        return next((mb for at_s, mb in self.mb if at_s >= seconds), self.mb[-1][1])


def soak(around: Servers, seconds: float, rate_hz: int) -> None:
    """Run the simulation, and print the report."""
    plan, clock, stop = Plan.of(seconds), SimulatedClock(START_UTC_S), threading.Event()
    start_s, rng = clock.monotonic_s, random.Random(1)
    for at_s, forward_s in plan.steps:
        clock.plan_step(start_s + at_s, forward_s)
    device = SimulatedMicrophone(
        clock,
        start_s + seconds,
        stop,
        sound_of(plan, clock, rate_hz),
        rate_hz,
        drift_ppm=30,
        away=[(start_s + at_s, start_s + at_s + length_s) for at_s, length_s in plan.away],
        overflows=[(start_s + at_s, length_s) for at_s, length_s in plan.overflows],
        backlogs=[(start_s + at_s, length_s) for at_s, length_s in plan.backlogs],
        late_s=lambda: rng.expovariate(1 / 0.003),
    )
    memory, began = MemoryLog(clock), time.perf_counter()
    config = load(Config, None, around.environment("soak", around.folder / "device"))
    with DeviceRuntime(config, lambda _: None, stop) as runtime:
        memory.start()
        runtime.run_microphone(device.open, clock)
        memory.end()
        took_s = time.perf_counter() - began
        stop.clear()
        runtime.wait_for_delivery()
    print(f"{seconds / 3600:g} h at {rate_hz} Hz in {took_s:.0f} s, {seconds / took_s:,.0f} x real time\n")
    report_gaps(plan, around, rate_hz)
    report_samples(device, around)
    first, last = memory.after(3600), memory.mb[-1][1]
    print(f"memory: {first:.0f} MB after an hour, {last:.0f} MB at the end, {last / first - 1:+.1%}")
    print(f"rows that were not delivered: {runtime.summary.pending}")


def report_gaps(plan: Plan, around: Servers, rate_hz: int) -> None:
    """Print each kind of gap: planned, and as the base station lists it."""
    efforts = sorted(around.base.rows("soak", "effort"), key=lambda row: row["first_sample"])
    listed = [(first / rate_hz, samples / rate_hz) for first, samples in listed_gaps(efforts)]
    print("| gap | planned | listed | seconds planned | seconds listed | longest surplus |")
    print("|---|--:|--:|--:|--:|--:|")
    for kind, entries in (("away", plan.away), ("overflow", plan.overflows), ("too slow", plan.backlogs)):
        found = [(length_s, gap[1]) for at_s, length_s in entries for gap in listed if abs(gap[0] - at_s) < 20]
        planned_s, listed_s = sum(length_s for _, length_s in entries), sum(gap_s for _, gap_s in found)
        surplus_s = max((gap_s - length_s for length_s, gap_s in found), default=0.0)
        print(f"| {kind} | {len(entries)} | {len(found)} | {planned_s:.1f} | {listed_s:.1f} | {surplus_s:.2f} s |")
    print(f"\ngaps planned {len(plan.gaps())}, listed {len(listed)}")
    kinds = [notice["what"] for notice in around.base.rows("soak", "notice")]
    steps = kinds.count(NoticeKind.CLOCK_STEP)
    print(f"clock steps planned {len(plan.steps)}, listed {steps}")


def report_samples(device: SimulatedMicrophone, around: Servers) -> None:
    """Print the sums of samples."""
    efforts, events = around.base.rows("soak", "effort"), around.base.rows("soak", "event")
    sums = {state: sum(row["samples"] for row in efforts if row["state"] == state) for state in EffortState}
    captured = sum(sums[state] for state in (EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED))
    end = max(row["first_sample"] + row["samples"] for row in efforts)
    print(f"samples generated {device.delivered:,}, captured {captured:,}, difference {captured - device.delivered}")
    print(f"end of the recording {end:,}, sum of all states {sum(sums.values()):,}")
    hours = ", ".join(f"{state} {samples / device.rate_hz / 3600:.3f} h" for state, samples in sums.items() if samples)
    print(f"{hours}; {len(efforts)} rows of effort, {len(events)} events")


def main() -> None:
    """Run the soak test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=int, default=24_000, help="of the microphone, in Hz")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anura-soak-") as folder, Servers(Path(folder)) as around:
        soak(around, options.hours * 3600, options.rate)


if __name__ == "__main__":
    main()
