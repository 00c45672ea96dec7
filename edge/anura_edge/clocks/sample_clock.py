"""How the samples of a microphone get their time.

Samples are counted; a sample's time is an anchor plus its number divided by the rate. Two clocks hold the anchor:

- the **monotonic** one, since the machine started, says when a block of samples arrived. It shows what is missing
  (`SampleClock`), and how far the sound card's quartz is off;
- the **wall** clock says which UTC that was (`WallClock`). It may be set at any time; then the samples that follow get
  another anchor, and not one sample moves.

Both are pure; `SystemClock` reads this machine's.
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
"""A wall clock that jumps further was set; NTP brings a smaller error in slowly, at no more than 0.5 ms a second."""

WINDOW_S = 2.0
"""Stamps are only ever late: by a busy machine, by a driver that hands over in bursts. The earliest of two seconds is
taken for the truth."""

LOST_S = 0.1
"""When even the earliest stamp of a window is later than this, samples are missing: one block or more."""

DRIFT_POINT_S = 60.0
DRIFT_POINTS = 10, 720
"""The drift is the slope through a point a minute: from ten minutes on, and of no more than the last twelve hours."""

FIRST_RELEASE = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
"""A clock that shows a time before this program was written is wrong."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What this machine's clocks show at one moment."""

    monotonic_s: float
    """Since the machine started, the time that it was suspended included."""

    utc_s: float
    """Since 1970, by the wall clock."""

    known: bool
    """Whether the wall clock can be believed."""


class Clock(Protocol):
    """A machine's time."""

    def read(self) -> Reading:
        """Look at all clocks at once."""

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the program is told to stop."""


class SampleClock:
    """Compares the number of samples with the time in which they came."""

    def __init__(self, rate_hz: int, zero_s: float) -> None:
        self._rate_hz = rate_hz
        self.zero_s = zero_s
        """Monotonic time of sample 0, by the latest samples and the nominal rate: it creeps as the card drifts."""
        self.drift_ppm: float | None = None
        """How much faster than its nominal rate the card samples, in parts per million; None until that is clear."""
        self._points: deque[tuple[float, float]] = deque(maxlen=DRIFT_POINTS[1])
        self.begin()

    def begin(self) -> None:
        """Begin anew after a gap: another latency must not look like drift."""
        self._earliest_s, self._window_end_s = math.inf, -math.inf
        self._points.clear()

    def sample_at(self, monotonic_s: float) -> int:
        """Return the number of the sample that is taken at a time."""
        return round((monotonic_s - self.zero_s) * self._rate_hz)

    def note(self, end_sample: int, arrived_s: float) -> int:
        """Take when the samples before `end_sample` had arrived; return how many others must have been lost by then."""
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
    """The wall clock was set, or can now be believed."""

    known: bool
    """True: it can now be believed, which it could not before. False: it was set."""

    forward_s: float
    """By how much all times are later than they would have been."""


class WallClock:
    """Which UTC belongs to a monotonic time.

    A clock that cannot be believed is left as it first was, however often it is set, so that one number corrects every
    time that came from it.
    """

    def __init__(self, first: Reading) -> None:
        self._offset_s = first.utc_s - first.monotonic_s
        self.source = ClockSource.SYSTEM if first.known else ClockSource.UNKNOWN

    def note(self, reading: Reading) -> ClockChange | None:
        """Compare the clocks again; say what happened to the wall clock since."""
        forward_s = reading.utc_s - reading.monotonic_s - self._offset_s
        becomes_known = self.source == ClockSource.UNKNOWN and reading.known
        if self.source == ClockSource.UNKNOWN and not becomes_known:
            return None
        self._offset_s += forward_s
        self.source = ClockSource.SYSTEM
        return ClockChange(becomes_known, forward_s) if becomes_known or abs(forward_s) > STEP_S else None

    def utc(self, monotonic_s: float) -> datetime:
        """Return the UTC of a monotonic time."""
        return datetime.fromtimestamp(monotonic_s + self._offset_s, UTC)


class SystemClock:
    """The clocks of the machine that we run on."""

    def __init__(self, trust: bool | Literal["auto"], stop: Event) -> None:
        """`trust` says whether the wall clock is right, or that we are to find out."""
        self._trust, self._stop = trust, stop

    def read(self) -> Reading:
        """Look at all clocks at once: again, if another program came between two looks."""
        while True:
            before_s, utc_s, after_s = monotonic_s(), time.time(), monotonic_s()
            if after_s - before_s < 0.01:
                return Reading(before_s, utc_s, self._known(utc_s) if self._trust == "auto" else self._trust)

    def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the program is told to stop."""
        self._stop.wait(seconds)

    @staticmethod
    def _known(utc_s: float) -> bool:
        return utc_s > FIRST_RELEASE and bool(clock_synchronised() or _from_battery())


def _from_battery(rtc: Path = Path("/sys/class/rtc")) -> bool:
    """Say whether the kernel took its time from a clock with a battery when it started (`hctosys`)."""
    return any(file.read_text(encoding="ascii").strip() == "1" for file in rtc.glob("*/hctosys"))
