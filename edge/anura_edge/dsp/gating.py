"""Which of a microphone's sound the model hears, where a battery cannot pay for all of it. No I/O, no clock.

Three things leave sound out, and effort says so: a duty cycle and an empty battery (`paused`), and a gate that opens
for sound that could be a frog (`gated`).
"""

import math
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.config.energy import BatterySettings, DutyCycleSettings, EnergySettings, GateSettings
from anura_edge.events import EffortState

FRAME_S = 0.1
"""The gate judges so much at a time, from the start of each contiguous stretch, whatever chunks it comes in."""

GatedAudio = tuple[EffortState, FloatArray]
"""What becomes of some mono samples, shape (n,): `analysed` is what the model shall hear."""


class PowerMode(StrEnum):
    """How much a battery lets the device do, the most first. Each step saves what those before it save."""

    FULL = "full"
    COARSE = "coarse"
    """The model is given more sound at a time: calls are told later."""
    GATED = "gated"
    """The gate is in use, whether the settings have one or not."""
    PAUSED = "paused"
    """Nothing is heard until there is more charge."""


_STEPS = tuple(PowerMode)


def next_mode(step: PowerMode, percent: float, settings: BatterySettings) -> PowerMode:
    """Return the step for a battery's charge: down at once, up only when it is clearly above the threshold."""

    def deepest(charge: float) -> int:
        thresholds = settings.coarse_percent, settings.gate_percent, settings.pause_percent
        return sum(charge < threshold for threshold in thresholds)

    down, up = deepest(percent), deepest(percent - settings.hysteresis_percent)
    return _STEPS[min(max(_STEPS.index(step), down), up)]


class PowerState:
    """How much is saved at the moment. One thread sets it, others look."""

    def __init__(self) -> None:
        self.mode = PowerMode.FULL


class LevelGate:
    """Opens for sound that could be a frog, and lets pass what came just before it, too."""

    def __init__(self, settings: GateSettings, rate_hz: int) -> None:
        frame = round(FRAME_S * rate_hz)
        self._hold, self._keep = (round(seconds / FRAME_S) for seconds in (settings.hold_s, settings.before_s))
        # A window that ends softly: with hard edges a gust at 20 Hz would be heard at 500 Hz, too.
        self._hann = np.hanning(frame).astype(np.float32)
        hz = np.fft.rfftfreq(frame, 1 / rate_hz)
        self._band = slice(*np.searchsorted(hz, (settings.low_hz, settings.high_hz)).tolist())
        # Parseval's sum of both halves of the spectrum, over the window's own power.
        self._least = 10 ** (settings.level_dbfs / 10) * frame * float(np.square(self._hann).sum()) / 2
        self._frame = np.zeros(frame, np.float32)
        self._before: deque[FloatArray] = deque()
        self._clear()

    def _clear(self) -> None:
        self._filled = self._quiet = 0
        self._is_open = False
        self._before.clear()

    def feed(self, samples: FloatArray) -> Iterator[GatedAudio]:
        """Take mono samples, shape (n,), and yield, in order, what has become clear of them and of those before."""
        while len(samples):
            missing = len(self._frame) - self._filled
            part, samples = samples[:missing], samples[missing:]
            self._frame[self._filled :][: len(part)] = part
            self._filled += len(part)
            if self._is_open:
                yield EffortState.ANALYSED, part
            if self._filled == len(self._frame):
                self._filled = 0
                yield from self._judge()

    def end(self) -> Iterator[GatedAudio]:
        """End the stretch: what the gate still held back was too quiet."""
        if not self._is_open:
            for held in (*self._before, self._frame[: self._filled].copy()):
                if len(held):
                    yield EffortState.GATED, held
        self._clear()

    def _judge(self) -> Iterator[GatedAudio]:
        is_loud = self._is_loud()
        if self._is_open:
            self._quiet = 0 if is_loud else self._quiet + 1
            self._is_open = self._quiet < self._hold
            return
        self._before.append(self._frame.copy())
        if is_loud:
            self._is_open, self._quiet = True, 0
        while self._before and (is_loud or len(self._before) > self._keep):
            yield EffortState.ANALYSED if is_loud else EffortState.GATED, self._before.popleft()

    def _is_loud(self) -> bool:
        spectrum = np.fft.rfft(self._frame * self._hann)[self._band]
        return float(np.vdot(spectrum, spectrum).real) >= self._least


class PowerGate:
    """Divides a microphone's sound into what the model hears and what is left out."""

    def __init__(self, settings: EnergySettings, saving: PowerState, rate_hz: int, block_s: float) -> None:
        """Give the model `block_s` at a time while there is no reason to give it more."""
        self._duty, self._battery, self._saving = settings.duty, settings.battery, saving
        self._rate_hz, self._block_s = rate_hz, block_s
        self._always_gates = settings.gate is not None
        self._gate = LevelGate(settings.gate or GateSettings(), rate_hz)

    @property
    def block_s(self) -> float:
        """How much sound to give the model at a time."""
        if self._battery and self._saving.mode != PowerMode.FULL:
            return max(self._block_s, self._battery.coarse_block_s)
        return self._block_s

    def split(self, samples: FloatArray, at: datetime) -> Iterator[GatedAudio]:
        """Take the next mono samples, shape (n,), the first of which is of a moment; yield in order what is clear."""
        at_s = at.timestamp()
        while len(samples):
            is_on, count = self._until_change(at_s)
            part, samples = samples[:count], samples[count:]
            at_s += len(part) / self._rate_hz
            if not is_on:
                yield from self._gate.end()
                yield EffortState.PAUSED, part
            elif self._always_gates or self._saving.mode == PowerMode.GATED:
                yield from self._gate.feed(part)
            else:
                yield from self._gate.end()
                yield EffortState.ANALYSED, part

    def end(self) -> Iterator[GatedAudio]:
        """End a contiguous stretch."""
        return self._gate.end()

    def _until_change(self, at_s: float) -> tuple[bool, int]:
        """Say whether we listen at a time, and for how many samples that stays so."""
        if self._saving.mode == PowerMode.PAUSED:
            return False, 2**31
        if not self._duty:
            return True, 2**31
        # A sample that is a change's by a tenth of its own length is past it: times are rounded to microseconds.
        phase_s = (at_s + 0.1 / self._rate_hz) % self._duty.period_s
        is_on = phase_s < self._duty.on_s
        left_s = (self._duty.on_s if is_on else self._duty.period_s) - phase_s
        return is_on, max(1, math.ceil(left_s * self._rate_hz))


def describe_savings(settings: EnergySettings) -> str | None:
    """Say in a sentence what the settings leave out, whatever the battery does; None if that is nothing."""
    parts = []
    if duty := settings.duty:
        parts.append(_duty_text(duty))
    if gate := settings.gate:
        parts.append(
            f"what stays below {gate.level_dbfs:g} dBFS from {gate.low_hz:g} to {gate.high_hz:g} Hz is not analysed"
        )
    return "to save energy, " + "; ".join(parts) if parts else None


def _duty_text(duty: DutyCycleSettings) -> str:
    return f"the device listens for {duty.on_s:g} s of every {duty.period_s:g} s"
