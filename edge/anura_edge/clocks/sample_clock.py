"""The time of a microphone's samples.

Samples are counted. The time of a sample is an anchor plus its number divided by the rate. Two clocks define it:

- The **monotonic** clock counts from the start of the machine and gives the arrival time of a block of samples. It
  shows lost samples and the drift of the sound card (`SampleClock`).
- The **wall** clock gives the UTC of that time (`WallClock`). It may be set at any time. Then later samples get another
  anchor, and no sample moves.

Both classes are pure. `SystemClock` reads the clocks of this machine.
"""

import math
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import linear_regression
from threading import Event
from typing import Literal, Protocol

from anura_edge.audio import ClockSource
from anura_edge.clocks.monotonic import monotonic_s
from anura_edge.system.hardware import clock_synchronised

STEP_S = 0.5
"""A wall clock that jumps further was set. NTP corrects a smaller error slowly, by at most 0.5 ms a second."""

WINDOW_S = 2.0
"""Arrival times can only be late, because of a busy machine or a driver that delivers in bursts. The earliest arrival
of two seconds is taken as correct."""

LOST_S = 0.1
"""If even the earliest arrival of a window is later than this, at least one block of samples was lost."""

DRIFT_POINT_S = 60.0
DRIFT_POINTS = 10, 720
"""The drift is the slope through one point a minute, for at least ten minutes and at most the last twelve hours."""

FIRST_RELEASE = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
"""A clock that shows an earlier time, from before this program was written, is wrong."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The clocks of a machine at one moment."""

    monotonic_s: float
    """Since the machine started, time in suspend included."""

    utc_s: float
    """Since 1970, by the wall clock."""

    is_trusted: bool
    """Whether the wall clock is trusted."""


class Clock(Protocol):
    """The clocks of a machine, real or simulated."""

    def read(self) -> ClockReading:
        """Read all clocks at one moment."""

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the program is stopped."""


class SampleClock:
    """Compares the number of samples with the time in which they arrived."""

    def __init__(self, rate_hz: int, zero_s: float) -> None:
        self._rate_hz = rate_hz
        self.zero_s = zero_s
        """Monotonic time of sample 0, from the latest samples and the nominal rate. It moves as the card drifts."""
        self.drift_ppm: float | None = None
        """How much faster than its nominal rate the card samples, in parts per million. None until it is known."""
        self._points: deque[tuple[float, float]] = deque(maxlen=DRIFT_POINTS[1])
        self.restart()

    def restart(self) -> None:
        """Start the measurement of the drift again, after a gap: a change of the latency must not look like drift."""
        self._earliest_s, self._window_end_s = math.inf, -math.inf
        self._points.clear()

    def sample_at(self, monotonic_s: float) -> int:
        """Return the number of the sample at a monotonic time."""
        return round((monotonic_s - self.zero_s) * self._rate_hz)

    def update(self, end_sample: int, arrived_s: float) -> int:
        """Add the arrival time of the samples before `end_sample`. Return the number of samples that were lost."""
        if self._window_end_s == -math.inf:
            self._window_end_s = arrived_s + WINDOW_S
        self._earliest_s = min(self._earliest_s, arrived_s - end_sample / self._rate_hz)
        if arrived_s < self._window_end_s:
            return 0
        late_s = self._earliest_s - self.zero_s
        self._earliest_s, self._window_end_s = math.inf, arrived_s + WINDOW_S
        if late_s > LOST_S:
            return round(late_s * self._rate_hz)
        self.zero_s += late_s
        if not self._points or arrived_s >= self._points[-1][0] + DRIFT_POINT_S:
            self._points.append((arrived_s, self.zero_s))
            if len(self._points) >= DRIFT_POINTS[0]:
                self.drift_ppm = -1e6 * linear_regression(*zip(*self._points, strict=True)).slope
        return 0


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The wall clock was set, or is trusted from now on."""

    is_trusted: bool
    """True: it is trusted from now on and was not before. False: it was set."""

    forward_s: float
    """Seconds by which all later times are moved forward."""


class WallClock:
    """Converts monotonic time to UTC.

    While the clock is not trusted its first reading is used, however often it is set. So one number corrects all times
    that came from it.
    """

    def __init__(self, first: ClockReading) -> None:
        self._offset_s = first.utc_s - first.monotonic_s
        self.source = ClockSource.SYSTEM if first.is_trusted else ClockSource.UNKNOWN

    def update(self, reading: ClockReading) -> ClockChange | None:
        """Compare the clocks. Return the change of the wall clock since the last call, or None."""
        forward_s = reading.utc_s - reading.monotonic_s - self._offset_s
        becomes_trusted = self.source == ClockSource.UNKNOWN and reading.is_trusted
        if self.source == ClockSource.UNKNOWN and not becomes_trusted:
            return None
        self._offset_s += forward_s
        self.source = ClockSource.SYSTEM
        return ClockChange(becomes_trusted, forward_s) if becomes_trusted or abs(forward_s) > STEP_S else None

    def utc(self, monotonic_s: float) -> datetime:
        """Return the UTC of a monotonic time."""
        return datetime.fromtimestamp(monotonic_s + self._offset_s, UTC)


class SystemClock:
    """The clocks of this machine."""

    def __init__(self, trust: bool | Literal["auto"], stop: Event) -> None:
        """`trust` says whether the wall clock is correct. With `auto` the operating system decides."""
        self._trust, self._stop = trust, stop

    def read(self) -> ClockReading:
        """Read all clocks at one moment. Read again if another program ran between two readings."""
        while True:
            before_s, utc_s, after_s = monotonic_s(), time.time(), monotonic_s()
            if after_s - before_s < 0.01:
                return ClockReading(before_s, utc_s, self._is_trusted(utc_s) if self._trust == "auto" else self._trust)

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the program is stopped."""
        self._stop.wait(seconds)

    @staticmethod
    def _is_trusted(utc_s: float) -> bool:
        return utc_s > FIRST_RELEASE and bool(clock_synchronised() or _from_battery())


def _from_battery(rtc: Path = Path("/sys/class/rtc")) -> bool:
    """Return whether the kernel took its time from a battery-backed clock when it started (`hctosys`)."""
    return any(file.read_text(encoding="ascii").strip() == "1" for file in rtc.glob("*/hctosys"))
