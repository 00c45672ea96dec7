"""Classifies audio as analysed, silent or clipped: in silent or clipped audio a call cannot be recognised."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from anura_edge.audio import FULL_SCALE, FloatArray, is_full_scale
from anura_edge.events import EffortState

PERIOD_S = 10.0
"""Audio is classified in periods of this length, from the start of each segment, independent of the chunks."""

MIN_PERIOD_S = 1.0
"""A shorter rest at the end of a segment is too short to classify: it counts as analysed."""

SILENT_RANGE = 2.5 / 32_768
"""A period within three neighbouring values of 16 bits is silent. A disconnected or dead microphone still moves the
last bit of the converter, and no call can be recognised in it."""

CLIPPED_SHARE = 0.01
"""A period with this share of its samples at full scale is clipped. A thunderclap or a knock on the case has less."""


@dataclass(frozen=True, slots=True)
class QualityPeriod:
    """Consecutive mono samples of one quality."""

    state: EffortState
    samples: int
    energy: float
    """Sum of the squares of the samples; full scale is 1.0."""


class QualityMeter:
    """Classify mono audio period by period. Silent takes precedence over clipped, clipped over analysed."""

    def __init__(self, rate_hz: int) -> None:
        self._period, self._min_period = round(PERIOD_S * rate_hz), round(MIN_PERIOD_S * rate_hz)
        self._reset()

    def _reset(self) -> None:
        self._samples = self._clipped = 0
        self._energy = 0.0
        self._low, self._high = np.inf, -np.inf

    def feed(self, samples: FloatArray) -> Iterator[QualityPeriod]:
        """Take mono samples, shape (n,), full scale is 1.0. Yield each completed period."""
        while len(samples):
            missing = self._period - self._samples
            part, samples = samples[:missing], samples[missing:]
            low, high = float(part.min()), float(part.max())
            self._low, self._high = min(self._low, low), max(self._high, high)
            if max(-low, high) >= FULL_SCALE:
                self._clipped += int(np.count_nonzero(is_full_scale(part)))
            self._samples += len(part)
            exact = part.astype(np.float64)  # so that the level does not depend on the chunks
            self._energy += float(exact @ exact)
            if self._samples == self._period:
                yield from self.end()

    def end(self) -> Iterator[QualityPeriod]:
        """End the segment: yield the incomplete period."""
        if self._samples:
            yield QualityPeriod(self._classify(), self._samples, self._energy)
        self._reset()

    def _classify(self) -> EffortState:
        if self._samples < self._min_period:
            return EffortState.ANALYSED
        if self._high - self._low < SILENT_RANGE:
            return EffortState.SILENT
        is_clipped = self._clipped >= CLIPPED_SHARE * self._samples
        return EffortState.CLIPPED if is_clipped else EffortState.ANALYSED


FAULT_S = 120.0
"""Silent or clipped audio for this long without a break is a fault. Rain on the microphone has breaks."""

RECOVERY_S = 60.0
"""After good audio for this long, the next fault is reported again."""


class FaultDetector:
    """Detects that a microphone has been silent or clipped for minutes. Each fault is reported once."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._state = EffortState.ANALYSED
        self._duration_s = 0.0
        self._is_reported = False

    def update(self, state: EffortState, samples: int) -> bool:
        """Take the state of the next period. Return whether it is a new fault."""
        self._duration_s = samples / self._rate_hz + (self._duration_s if state == self._state else 0.0)
        self._state = state
        if state not in (EffortState.SILENT, EffortState.CLIPPED):
            self._is_reported = self._is_reported and self._duration_s < RECOVERY_S
            return False
        is_new = self._duration_s >= FAULT_S and not self._is_reported
        self._is_reported = self._is_reported or is_new
        return is_new
