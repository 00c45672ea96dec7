"""What it costs to listen to a real microphone at 48 kHz, and how long a sound is on its way.

    python bench/capture.py --seconds 30

In the middle of it the sound server is killed and started again at once.

PulseAudio with a virtual microphone stands in for a sound card. Run it with the development environment's Python.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Timer

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from support import PulseAudio  # noqa: E402

from anura_edge.bundle import load_bundle  # noqa: E402
from anura_edge.classifier import load_classifier  # noqa: E402
from anura_edge.clock import SystemClock  # noqa: E402
from anura_edge.config import Detect  # noqa: E402
from anura_edge.daemon import DEFAULT_BUNDLE  # noqa: E402
from anura_edge.detector import Detector  # noqa: E402
from anura_edge.events import Notice  # noqa: E402
from anura_edge.hear_microphone import BLOCK_S  # noqa: E402
from anura_edge.monotonic import monotonic_s  # noqa: E402
from anura_edge.pipeline import listen  # noqa: E402
from anura_edge.sources.capture_process import CaptureProcess  # noqa: E402
from anura_edge.sources.microphone import Microphone  # noqa: E402

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class CountedCapture(CaptureProcess):
    """A capture whose own process is looked at."""

    def cpu_s(self) -> float:
        """Return what its process has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def memory_mb(self) -> float:
        """Return what its process holds."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def carry(seconds: float) -> None:
    """Print the cost of taking audio from the driver to us, without a model."""
    began = time.perf_counter()
    capture = CountedCapture("pulse", None, 0, Event())
    capture.read(10)
    print(f"opened after {time.perf_counter() - began:.2f} s, at {capture.rate_hz} Hz")
    began, child_s, own_s = time.perf_counter(), capture.cpu_s(), time.process_time()
    late_s = []
    while time.perf_counter() < began + seconds:
        if block := capture.read(10):
            late_s.append(monotonic_s() - block.arrived_s)
    spent = time.perf_counter() - began
    child, own = (capture.cpu_s() - child_s) / spent, (time.process_time() - own_s) / spent
    print(f"capture program: {child:.2%} of a core, {capture.memory_mb():.0f} MB; our end of the pipe: {own:.2%}")
    print(f"from the driver to us: {_percentiles(late_s)}")
    capture.close()


def hear(pulse: PulseAudio, seconds: float) -> None:
    """Print how long after the driver had it a block has been heard by the model, and what a killed server costs."""
    bundle, stop = load_bundle(DEFAULT_BUNDLE), Event()
    detector = Detector(bundle, load_classifier(bundle), Detect(), BLOCK_S)

    def open_capture(device: int | str | None, rate_hz: int | None) -> CaptureProcess:
        return CaptureProcess(device, rate_hz, 0, stop)

    told: list[Notice] = []
    late_s: list[float] = []
    share = 0.0
    with Microphone(
        "pulse", open_capture, SystemClock(trust=True, stop=stop), told.append, lambda: None, stop, retry_s=8
    ) as sound:
        if sound.wait():
            Timer(seconds, _kill_and_start, [pulse]).start()
            Timer(seconds + 15, stop.set).start()
            own_s, began = time.process_time(), time.perf_counter()
            heard = (sound.last_block for _ in listen(sound, detector, 0))
            late_s += [monotonic_s() - block.arrived_s for block in heard if block]
            share = (time.process_time() - own_s) / (time.perf_counter() - began)
    print(f"hearing, all stages: {share:.2%} of a core; from the driver through the model: {_percentiles(late_s)}")
    print("\n".join(f"{notice.what}: {notice.detail}" for notice in told))


def _kill_and_start(pulse: PulseAudio) -> None:
    pulse.kill()
    pulse.start()


def _percentiles(late_s: list[float]) -> str:
    middle, most = np.percentile(late_s, [50, 99]) * 1e3
    return f"median {middle:.1f} ms, 99 % below {most:.1f} ms, of {len(late_s)} blocks"


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anura-capture-") as folder:
        pulse = PulseAudio(Path(folder))
        pulse.start()
        os.environ.update(pulse.environment)
        carry(options.seconds)
        hear(pulse, options.seconds)
        pulse.kill()


if __name__ == "__main__":
    main()
