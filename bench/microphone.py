"""CPU time, latency and start-up time with a microphone at 44.1 kHz.

    python bench/microphone.py --seconds 30

Measures each block size and each power mode, starts the whole program, and at the end kills and restarts the sound
server while a microphone is open.

The microphone is a virtual one of PulseAudio. Run it with the development environment's Python.
"""

import argparse
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Event, Timer

import numpy as np
import soundfile as sf

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

from model_comparison.measures import frogs  # noqa: E402
from support import PulseAudio  # noqa: E402

from anura_edge.clocks.monotonic import monotonic_s  # noqa: E402
from anura_edge.clocks.sample_clock import SystemClock  # noqa: E402
from anura_edge.config.analysis import AudioSettings, DetectionSettings  # noqa: E402
from anura_edge.config.energy import BatterySettings, EnergySettings, GateSettings  # noqa: E402
from anura_edge.detection.detector import Detector  # noqa: E402
from anura_edge.detection.pipeline import analyse  # noqa: E402
from anura_edge.dsp.gating import AnalysisGate, EnergyMode, EnergyState  # noqa: E402
from anura_edge.events import Notice  # noqa: E402
from anura_edge.inference.bundle import DEFAULT_BUNDLE, Bundle, load_bundle  # noqa: E402
from anura_edge.inference.loading import load_classifier  # noqa: E402
from anura_edge.sources.microphone.capture_client import CaptureProcess  # noqa: E402
from anura_edge.sources.microphone.source import MicrophoneSource  # noqa: E402
from anura_edge.testing import SimulatedClock, SimulatedMicrophone, faint_noise  # noqa: E402

STARTS = 3
START_UTC_S, POWER_MODE_S = 1_795_000_000.0, 600.0
PLAYED_S, RATE_HZ = 600.0, 48_000
"""Duration and sampling rate of the played recording."""
PLAYER_LATENCY_MS = 50
"""With a player of this latency the virtual microphone starts immediately. Otherwise PulseAudio puts two seconds into
its first block."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class CountedCapture(CaptureProcess):
    """A capture that reports the CPU time and memory of its process."""

    def cpu_s(self) -> float:
        """Return the CPU time of its process."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mb(self) -> float:
        """Return the memory of its process (RSS)."""
        return memory_mb(self._process.pid)


def memory_mb(pid: int) -> float:
    """Return the memory of a process (RSS)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory_with_children_mb(pid: int) -> float:
    """Return the memory of a process and its children. Shared pages are divided among the processes (PSS)."""
    pids = [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    rollups = (Path(f"/proc/{each}/smaps_rollup").read_text(encoding="utf-8") for each in pids)
    return sum(int(rollup.partition("\nPss:")[2].split()[0]) for rollup in rollups) / 1024


def measure_capture(seconds: float) -> None:
    """Print the cost of capturing audio, without a model."""
    began = time.perf_counter()
    capture = CountedCapture("pulse", None, 0, AudioSettings().block_s, Event())
    capture.read(10)
    print(f"opened after {time.perf_counter() - began:.2f} s, at {capture.rate_hz} Hz")
    began, child_s, own_s = time.perf_counter(), capture.cpu_s(), time.process_time()
    late_s = []
    while time.perf_counter() < began + seconds:
        if block := capture.read(10):
            late_s.append(monotonic_s() - block.arrived_s)
    spent = time.perf_counter() - began
    child, own = (capture.cpu_s() - child_s) / spent, (time.process_time() - own_s) / spent
    print(f"capture process: {child:.2%} of a core, {capture.memory_mb():.0f} MB; this end of the pipe: {own:.2%}")
    print(f"from the driver to this process: {_percentiles(late_s)}")
    capture.close()


def measure_latency(bundle: Bundle, seconds: float, block_s: float, *timers: Timer) -> None:
    """Print the time from the driver to the scores of each block, and the notices that the timers cause."""
    stop = Event()
    detector = Detector(bundle, load_classifier(bundle), DetectionSettings(), block_s, is_live=True)
    captures: list[CountedCapture] = []

    def open_capture(device: int | str | None, rate_hz: int | None) -> CaptureProcess:
        captures.append(CountedCapture(device, rate_hz, 0, block_s, stop))
        return captures[-1]

    notices: list[Notice] = []
    late_s: list[float] = []
    with MicrophoneSource(
        "pulse", open_capture, SystemClock(trust=True, stop=stop), notices.append, lambda: None, stop, retry_s=8
    ) as sound:
        if not sound.wait():
            return
        for timer in (*timers, Timer(seconds, stop.set)):
            timer.start()
        own_s, child_s, began = time.process_time(), captures[0].cpu_s(), time.perf_counter()
        analysed = (sound.last_block for _ in analyse(sound, detector, 0))
        late_s += [monotonic_s() - block.arrived_s for block in analysed if block]
        spent = time.perf_counter() - began
        own = (time.process_time() - own_s) / spent
        child = (captures[-1].cpu_s() - (child_s if len(captures) == 1 else 0)) / spent
    print(
        f"blocks of {block_s:g} s: {own:.2%} of a core, and {child:.2%} for the capture process; "
        f"from the driver through the model: {_percentiles(late_s)}"
    )
    for notice in notices:
        print(f"{notice.what}: {notice.detail}")


def measure_power_modes(bundle: Bundle) -> None:
    """Print the CPU time of each power mode for a quiet place, without driver and pipe."""
    modes = {
        "full": (EnergySettings(), EnergyMode.FULL),
        "battery, coarse": (EnergySettings(battery=BatterySettings()), EnergyMode.COARSE),
        "gate, closed": (EnergySettings(gate=GateSettings()), EnergyMode.FULL),
        "paused": (EnergySettings(battery=BatterySettings()), EnergyMode.PAUSED),
    }
    for name, (energy, step) in modes.items():
        saving, stop, clock = EnergyState(), Event(), SimulatedClock(START_UTC_S)
        saving.mode = step
        quiet = faint_noise(amplitude=1e-4)
        device = SimulatedMicrophone(clock, clock.monotonic_s + POWER_MODE_S, stop, quiet, RATE_HZ)
        detector = Detector(bundle, load_classifier(bundle), DetectionSettings(), AudioSettings().block_s)
        attention = AnalysisGate(energy, saving, RATE_HZ, AudioSettings().block_s)
        with MicrophoneSource(None, device.open, clock, lambda _: None, lambda: None, stop, retry_s=8) as sound:
            began_s = time.process_time() if sound.wait() else 0.0
            for _ in analyse(sound, detector, 0, attention):
                pass
        print(f"{name}: {(time.process_time() - began_s) / POWER_MODE_S:.3%} of a core")


def measure_start(bundle: Bundle, folder: Path) -> None:
    """Print the time from the command to its first sample, and to the ready model."""
    state = folder / "start"
    settings = {"STATE_DIR": state, "AUDIO__MICROPHONE": "pulse", "MODEL__BUNDLE": bundle.path.absolute()}
    environment = {**os.environ, **{f"ANURA__{name}": str(value) for name, value in settings.items()}}
    command = [sys.executable, "-P", "-c", "from anura_edge.cli.main import main; main()", "run", "--source", "mic"]
    cpu_s, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment) as p:
        assert p.stderr
        next(line for line in p.stderr if line.startswith("recording "))
        ready_s, memory, of_both = time.time(), memory_mb(p.pid), memory_with_children_mb(p.pid)
        p.send_signal(signal.SIGTERM)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - cpu_s.ru_utime - cpu_s.ru_stime
    with closing(sqlite3.connect(state / "journal.db")) as journal:
        (first,) = journal.execute("SELECT min(start_utc) FROM effort").fetchone()
    first_s = datetime.fromisoformat(first).timestamp()
    print(
        f"from the command to its first sample {first_s - began_s:.2f} s, until the model is ready "
        f"{ready_s - began_s:.2f} s; start and stop took {cpu:.2f} s of CPU time, {memory:.0f} MB; with the "
        f"capture process {of_both:.0f} MB, shared pages divided"
    )


def _restart_server(pulse: PulseAudio) -> None:
    pulse.kill()
    pulse.start()


def _play(sound: Path, *options: str) -> subprocess.Popen[bytes]:
    """Play calls until the server is killed. A silent microphone would be reopened."""
    return subprocess.Popen(["paplay", *options, str(sound)], stderr=subprocess.DEVNULL)


def _percentiles(late_s: list[float]) -> str:
    middle, most = np.percentile(late_s, [50, 99]) * 1e3
    return f"median {middle:.1f} ms, 99 % below {most:.1f} ms, of {len(late_s)} blocks"


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--block-s", type=float, nargs="*", default=[0.1, 0.2, 0.25, 1.0], help="audio.block_s")
    parser.add_argument("--bundle", type=Path, default=DEFAULT_BUNDLE, help="folder of the model's bundle")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    measure_power_modes(bundle)
    with tempfile.TemporaryDirectory(prefix="anura-capture-") as folder:
        pulse = PulseAudio(Path(folder))
        pulse.start()
        os.environ.update(pulse.environment)
        sound = Path(folder) / "frogs.wav"
        sf.write(sound, frogs(PLAYED_S, RATE_HZ), RATE_HZ)
        with _play(sound, f"--latency-msec={PLAYER_LATENCY_MS}") as player:
            warm = CaptureProcess("pulse", None, 0, AudioSettings().block_s, Event())
            warm.read(10)  # the player is running now
            warm.close()
            for _ in range(STARTS):
                measure_start(bundle, Path(tempfile.mkdtemp(dir=folder)))
            player.terminate()
        player = _play(sound)
        measure_capture(options.seconds)
        for block_s in options.block_s:
            measure_latency(bundle, options.seconds, block_s)
        measure_latency(
            bundle, options.seconds + 15, AudioSettings().block_s, Timer(options.seconds, _restart_server, [pulse])
        )
        player.wait()
        pulse.kill()


if __name__ == "__main__":
    main()
