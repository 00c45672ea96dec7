"""Simulated microphone and clock for tests and benchmarks: days of audio in seconds, with any fault."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.clocks.sample_clock import ClockReading
from anura_edge.errors import SourceError
from anura_edge.sources.microphone.capture_client import CapturedBlock

BLOCK_S = 0.1


class SimulatedClock:
    """The clocks of a machine. They move only when a test or the microphone moves them."""

    def __init__(self, utc_s: float, monotonic_s: float = 1_000.0, *, is_trusted: bool = True) -> None:
        self.monotonic_s, self.is_trusted = monotonic_s, is_trusted
        self._offset_s = utc_s - monotonic_s
        self._plan: list[tuple[float, float, bool]] = []

    def read(self) -> ClockReading:
        """Read all clocks at the same time."""
        while self._plan and self._plan[0][0] <= self.monotonic_s:
            _, forward_s, self.is_trusted = self._plan.pop(0)
            self._offset_s += forward_s
        return ClockReading(self.monotonic_s, self.monotonic_s + self._offset_s, self.is_trusted)

    def sleep(self, seconds: float) -> None:
        """Move the time forward."""
        self.monotonic_s += seconds

    def plan_step(self, at_s: float, forward_s: float, *, is_trusted: bool = True) -> None:
        """Plan a step of the wall clock at a monotonic time. `is_trusted` is the state afterwards."""
        self._plan = sorted([*self._plan, (at_s, forward_s, is_trusted)])


@dataclass
class SimulatedMicrophone:
    """A microphone that can be disconnected, lose audio and sample too fast. It sets `stop` at `end_s`."""

    clock: SimulatedClock
    end_s: float
    stop: Event
    sound: Callable[[int, int], FloatArray]
    """Called with the first sample and the number of samples; returns mono samples."""
    rate_hz: int = 8_000
    drift_ppm: float = 0.0
    away: Iterable[tuple[float, float]] = ()
    """Monotonic times between which it is disconnected."""
    overflows: Iterable[tuple[float, float]] = ()
    """Time and duration of audio that the driver loses and reports."""
    backlogs: Iterable[tuple[float, float]] = ()
    """Time and duration of audio that is dropped because the reader is too slow; only the positions show it."""
    late_s: Callable[[], float] = lambda: 0.0
    """Delay of a block in the driver, in seconds."""
    name: str = "simulated"
    delivered: int = 0
    """Number of samples delivered."""
    openings: int = 0
    _done: set[float] = field(default_factory=set)

    def open(self, _device: int | str | None, _rate_hz: int | None) -> "SimulatedCapture":
        """Open the microphone.

        Raises SourceError while it is disconnected.
        """
        self.check_end()
        if self.is_away():
            raise SourceError(f"no microphone {self.name!r}")
        self.openings += 1
        return SimulatedCapture(self)

    def is_away(self) -> bool:
        """Tell whether it is disconnected now."""
        return any(start_s <= self.clock.monotonic_s < end_s for start_s, end_s in self.away)

    def check_end(self) -> None:
        """Set `stop` if the end is reached."""
        if self.clock.monotonic_s >= self.end_s:
            self.stop.set()

    def lost_s(self, plan: Iterable[tuple[float, float]]) -> float:
        """Return the duration of the audio that is lost now."""
        due = [entry for entry in plan if entry[0] <= self.clock.monotonic_s and entry[0] not in self._done]
        self._done |= {at_s for at_s, _ in due}
        return sum(seconds for _, seconds in due)


class SimulatedCapture:
    """An open simulated microphone."""

    channels = 1

    def __init__(self, device: SimulatedMicrophone) -> None:
        self._device = device
        self.name, self.rate_hz = device.name, device.rate_hz
        self._position = 0
        self._at_s = device.clock.monotonic_s
        """Time of the next sample."""

    def read(self, timeout_s: float) -> CapturedBlock | None:
        """Return the next block, or None after the timeout if the microphone is disconnected."""
        device, clock = self._device, self._device.clock
        device.check_end()
        if device.is_away():
            clock.sleep(timeout_s)
            device.check_end()
            return None
        count = round(BLOCK_S * self.rate_hz)
        overflow_s, backlog_s = device.lost_s(device.overflows), device.lost_s(device.backlogs)
        self._position += round(backlog_s * self.rate_hz)
        self._at_s += overflow_s + backlog_s + count / (self.rate_hz * (1 + device.drift_ppm / 1e6))
        clock.monotonic_s = max(clock.monotonic_s, self._at_s)
        block = CapturedBlock(
            device.sound(device.delivered, count)[:, None],
            self._position,
            self._at_s + device.late_s(),
            overflowed=overflow_s > 0,
        )
        self._position += count
        device.delivered += count
        return block

    def close(self) -> None:
        """Do nothing."""


def faint_noise(seed: int = 0, amplitude: float = 1e-3) -> Callable[[int, int], FloatArray]:
    """Return a function for the audio of a quiet place."""
    noise = np.random.default_rng(seed).normal(0, amplitude, 80_000).astype(np.float32)
    return lambda first, count: noise[first % 40_000 :][:count]
