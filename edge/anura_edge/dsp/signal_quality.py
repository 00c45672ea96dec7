"""Says of each stretch of audio whether a frog in it could have been heard at all."""

from collections.abc import Iterator

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.events import EffortState

FRAME_S = 10.0
"""Audio is judged this much at a time, from the start of each contiguous stretch, whatever chunks it comes in."""

SHORTEST_S = 1.0
"""A rest that is shorter, at the end of a stretch, is too short to be judged: it counts as analysed."""

FULL_SCALE = 0.999
"""16 bits end at 0.99997; some converters a little below."""

CLIPPED_SHARE = 0.01
"""A frame with this share of its samples at full scale is clipped; a thunderclap or a knock on the case is not."""


class QualityMeter:
    """Judge mono audio frame by frame: silent comes before clipped, clipped before analysed."""

    def __init__(self, rate_hz: int) -> None:
        self._frame, self._shortest = round(FRAME_S * rate_hz), round(SHORTEST_S * rate_hz)
        self._clear()

    def _clear(self) -> None:
        self._samples = self._full = 0
        self._low, self._high = np.inf, -np.inf

    def feed(self, samples: FloatArray) -> Iterator[tuple[EffortState, int]]:
        """Take mono samples, shape (n,), full scale is 1.0; yield state and length of each frame that they complete."""
        while len(samples):
            missing = self._frame - self._samples
            part, samples = samples[:missing], samples[missing:]
            low, high = float(part.min()), float(part.max())
            self._low, self._high = min(self._low, low), max(self._high, high)
            if max(-low, high) >= FULL_SCALE:
                self._full += int(np.count_nonzero(np.abs(part) >= FULL_SCALE))
            self._samples += len(part)
            if self._samples == self._frame:
                yield from self.end()

    def end(self) -> Iterator[tuple[EffortState, int]]:
        """End the stretch: yield the state and length of what is left."""
        if self._samples:
            yield self._judge(), self._samples
        self._clear()

    def _judge(self) -> EffortState:
        if self._samples < self._shortest:
            return EffortState.ANALYSED
        if self._low == self._high:
            return EffortState.SILENT
        return EffortState.CLIPPED if self._full >= CLIPPED_SHARE * self._samples else EffortState.ANALYSED


FAULT_S = 120.0
"""A sound that is bad for this long without a break is a fault: rain on the microphone comes and goes."""

MENDED_S = 60.0
"""Good sound for this long, and the next fault is another one."""


class FaultDetector:
    """Notice when a microphone has been silent or clipped for minutes, once each time."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._state = EffortState.ANALYSED
        self._lasts_s = 0.0
        self._is_told = False

    def note(self, state: EffortState, samples: int) -> bool:
        """Take the next judgement; say whether it makes a fault of its state."""
        self._lasts_s = samples / self._rate_hz + (self._lasts_s if state == self._state else 0.0)
        self._state = state
        if state not in (EffortState.SILENT, EffortState.CLIPPED):
            self._is_told = self._is_told and self._lasts_s < MENDED_S
            return False
        is_news = self._lasts_s >= FAULT_S and not self._is_told
        self._is_told = self._is_told or is_news
        return is_news
