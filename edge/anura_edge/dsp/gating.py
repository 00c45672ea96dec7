"""Decides which audio of a microphone the model analyses, if the battery is not enough for all of it.

Audio is left out for some reasons, and effort records which: a duty cycle, daylight or an empty battery (`paused`), or
a gate that stays closed while the audio is too quiet for a frog (`gated`). No I/O, no clock.
"""

import math
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.config.energy import BatterySettings, DutyCycleSettings, EnergySettings, GateSettings
from anura_edge.dsp.night_schedule import NightSchedule, SunPlace
from anura_edge.events import EffortState

GATE_PERIOD_S = 0.1
"""The gate measures the level of periods of this length, from the start of each segment, independent of the chunks."""

UNLIMITED = 2**31
"""Samples without a change ahead."""

GatedAudio = tuple[EffortState, FloatArray]
"""The state of some mono samples, shape (n,): the model takes those that are `analysed`."""


class EnergyMode(StrEnum):
    """How much the battery allows, the most first. Each mode also saves what the modes before it save."""

    FULL = "full"
    COARSE = "coarse"
    """The model takes longer blocks, so events are reported later."""
    GATED = "gated"
    """The gate is used, even if the settings have none."""
    PAUSED = "paused"
    """Nothing is analysed until the battery is charged."""


_MODES = tuple(EnergyMode)


def next_mode(mode: EnergyMode, percent: float, settings: BatterySettings) -> EnergyMode:
    """Return the mode for a charge in percent. It falls immediately; it rises only clearly above the threshold."""

    def lowest(charge: float) -> int:
        thresholds = settings.coarse_percent, settings.gate_percent, settings.pause_percent
        return sum(charge < threshold for threshold in thresholds)

    falling, rising = lowest(percent), lowest(percent - settings.hysteresis_percent)
    return _MODES[min(max(_MODES.index(mode), falling), rising)]


class EnergyState:
    """The current power mode. One thread sets it, others read it."""

    def __init__(self) -> None:
        self.mode = EnergyMode.FULL


class LevelGate:
    """Opens for audio that could contain a frog, and passes the audio just before it too."""

    def __init__(self, settings: GateSettings, rate_hz: int) -> None:
        period = round(GATE_PERIOD_S * rate_hz)
        self._hold, self._lead = (round(seconds / GATE_PERIOD_S) for seconds in (settings.hold_s, settings.before_s))
        # A Hann window: with a rectangular one, a gust at 20 Hz would leak to 500 Hz.
        self._hann = np.hanning(period).astype(np.float32)
        hz = np.fft.rfftfreq(period, 1 / rate_hz)
        self._band = slice(*np.searchsorted(hz, (settings.low_hz, settings.high_hz)).tolist())
        # Parseval's theorem: the sum over both halves of the spectrum, divided by the power of the window.
        self._min_power = 10 ** (settings.level_dbfs / 10) * period * float(np.square(self._hann).sum()) / 2
        self._period = np.zeros(period, np.float32)
        self._before: deque[FloatArray] = deque()
        self._reset()

    def _reset(self) -> None:
        self._filled = self._quiet = 0
        self._is_open = False
        self._before.clear()

    def feed(self, samples: FloatArray) -> Iterator[GatedAudio]:
        """Take mono samples, shape (n,). Yield, in order, the samples whose state is decided."""
        while len(samples):
            missing = len(self._period) - self._filled
            part, samples = samples[:missing], samples[missing:]
            self._period[self._filled :][: len(part)] = part
            self._filled += len(part)
            if self._is_open:
                yield EffortState.ANALYSED, part
            if self._filled == len(self._period):
                self._filled = 0
                yield from self._update()

    def end(self) -> Iterator[GatedAudio]:
        """End the segment: samples without a decision were too quiet."""
        if not self._is_open:
            for waiting in (*self._before, self._period[: self._filled].copy()):
                if len(waiting):
                    yield EffortState.GATED, waiting
        self._reset()

    def _update(self) -> Iterator[GatedAudio]:
        """Open or close the gate after a complete period."""
        is_loud = self._is_loud()
        if self._is_open:
            self._quiet = 0 if is_loud else self._quiet + 1
            self._is_open = self._quiet < self._hold
            return
        self._before.append(self._period.copy())
        if is_loud:
            self._is_open, self._quiet = True, 0
        while self._before and (is_loud or len(self._before) > self._lead):
            yield EffortState.ANALYSED if is_loud else EffortState.GATED, self._before.popleft()

    def _is_loud(self) -> bool:
        spectrum = np.fft.rfft(self._period * self._hann)[self._band]
        return float(np.vdot(spectrum, spectrum).real) >= self._min_power


class AnalysisGate:
    """Splits the audio of a microphone into samples to analyse and samples to leave out."""

    def __init__(
        self,
        settings: EnergySettings,
        state: EnergyState,
        rate_hz: int,
        block_s: float,
        place: SunPlace | None = None,
    ) -> None:
        """`block_s` is the length of a block for the model while the battery allows everything, in seconds.

        `place` is needed for `settings.night`.
        """
        self._duty, self._battery, self._state = settings.duty, settings.battery, state
        self._night = NightSchedule(settings.night, place) if settings.night and place else None
        self._rate_hz, self._block_s = rate_hz, block_s
        self._is_always_gated = settings.gate is not None
        self._gate = LevelGate(settings.gate or GateSettings(), rate_hz)

    @property
    def block_s(self) -> float:
        """Length of a block for the model now, in seconds."""
        if self._battery and self._state.mode != EnergyMode.FULL:
            return max(self._block_s, self._battery.coarse_block_s)
        return self._block_s

    def split(self, samples: FloatArray, time: datetime) -> Iterator[GatedAudio]:
        """Take the next mono samples, shape (n,), and the time of the first one. Yield, in order, what is decided."""
        time_s = time.timestamp()
        while len(samples):
            is_on, count = self._until_change(time_s)
            part, samples = samples[:count], samples[count:]
            time_s += len(part) / self._rate_hz
            if not is_on:
                yield from self._gate.end()
                yield EffortState.PAUSED, part
            elif self._is_always_gated or self._state.mode == EnergyMode.GATED:
                yield from self._gate.feed(part)
            else:
                yield from self._gate.end()
                yield EffortState.ANALYSED, part

    def end(self) -> Iterator[GatedAudio]:
        """End the segment."""
        return self._gate.end()

    def _until_change(self, time_s: float) -> tuple[bool, int]:
        """Return whether audio is analysed at a time, and for how many samples this does not change."""
        if self._state.mode == EnergyMode.PAUSED:
            return False, UNLIMITED
        # Times are rounded to microseconds: a sample up to a tenth of its length before a change belongs after it.
        time_s += 0.1 / self._rate_hz
        is_on, left_s = self._night.until_change(time_s) if self._night else (True, math.inf)
        if is_on and self._duty:
            phase_s = time_s % self._duty.period_s
            is_on = phase_s < self._duty.on_s
            left_s = min(left_s, (self._duty.on_s if is_on else self._duty.period_s) - phase_s)
        return is_on, UNLIMITED if left_s == math.inf else max(1, math.ceil(left_s * self._rate_hz))


def describe_savings(settings: EnergySettings) -> str | None:
    """Return a sentence about the audio that the settings leave out at any charge. None if they leave out nothing."""
    parts = []
    if duty := settings.duty:
        parts.append(_duty_text(duty))
    if settings.night:
        parts.append("only the time from dusk to dawn is analysed")
    if gate := settings.gate:
        band = f"{gate.low_hz:g} to {gate.high_hz:g} Hz"
        parts.append(f"audio below {gate.level_dbfs:g} dBFS from {band} is not analysed")
    return "to save energy, " + "; ".join(parts) if parts else None


def _duty_text(duty: DutyCycleSettings) -> str:
    return f"{duty.on_s:g} s of every {duty.period_s:g} s are analysed"
