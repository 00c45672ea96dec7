"""A microphone as one recording that lasts as long as the program, whatever the device and the clock do meanwhile."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event
from uuid import uuid4

import numpy as np

from anura_edge.audio import AudioChunk, Recording
from anura_edge.clocks.sample_clock import Clock, ClockChange, SampleClock, WallClock
from anura_edge.events import Notice, NoticeKind
from anura_edge.sources.microphone.capture_client import CapturedBlock
from anura_edge.sources.microphone.reconnect import OpenCapture, ReconnectingCapture
from anura_edge.wire import MAX_TEXT

log = logging.getLogger(__name__)

ANCHOR_TOLERANCE = timedelta(milliseconds=20)
"""The anchor moves when it is off by more: a fifth of the error that a time may have."""

CLOCK_EVERY_S = 1.0
"""The wall clock is looked at this often."""


class MicrophoneSource:
    """A microphone that can be heard. Use it as a context manager, and `wait` first.

    Positions follow the monotonic clock: where there is no sound, the next chunk's `first_sample` jumps by as many
    samples as would have fitted into the time. A chunk without samples says that nothing came up to there.
    """

    recording: Recording
    """Its facts as they are now: `start_utc` moves when the clock is set, and as the card drifts."""

    def __init__(
        self,
        wanted: int | str | None,
        open_capture: OpenCapture,
        clock: Clock,
        tell: Callable[[Notice], None],
        beat: Callable[[], None],
        stop: Event,
        retry_s: float,
    ) -> None:
        """Take what `ReconnectingCapture` takes.

        `tell` is given what happens to the device and its clock, `beat` is called while we listen or try to.
        """
        self._clock, self._tell_notice, self._beat, self._stop = clock, tell, beat, stop
        self._device = ReconnectingCapture(wanted, open_capture, clock, stop, retry_s, self._on_lost)
        self._id = str(uuid4())
        self._opening = 0
        self._base = self._end = self._heard_end = 0
        began = clock.read()
        self._wall, self._began_s, self._looked_s = WallClock(began), began.monotonic_s, began.monotonic_s
        self.overflows = 0
        """How often the driver said that it lost audio."""
        self.last_block: CapturedBlock | None = None
        """The newest audio."""

    def __enter__(self) -> "MicrophoneSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._device.close()

    @property
    def drift_ppm(self) -> float | None:
        """How much too fast the sound card samples, in parts per million; None until that is clear."""
        return self._samples.drift_ppm

    def wait(self) -> bool:
        """Wait for the first audio; say whether any came before we were told to stop.

        Raises SourceError if none ever will.
        """
        self._look_around()
        while not (first := self._device.read()):
            if self._stop.is_set():
                return False
            self._look_around()
        # Time in which it could not be heard belongs to the recording; the moment that opening takes does not.
        ready_s = first.arrived_s - len(first.samples) / self._device.rate_hz
        self._samples = SampleClock(self._device.rate_hz, self._began_s if self._device.is_away else ready_s)
        start, source = self._wall.utc(self._samples.zero_s), self._wall.source
        name, channels = self._device.name[:MAX_TEXT], self._device.channels
        self.recording = Recording(self._id, name, start, source, self._device.rate_hz, channels, samples=None)
        self.last_block = first
        return True

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield audio as it comes, and silence where there is none, until told to stop."""
        block = self.last_block
        while block or not self._stop.is_set():
            self._look_around()
            self._move_anchor()
            yield self._place(block) if block else self._nothing()
            block = None if self._stop.is_set() else self._device.read()

    def _place(self, block: CapturedBlock) -> AudioChunk:
        count = len(block.samples)
        if self._opening != self._device.openings:
            self._begin(block)
        end = self._base + block.first_sample + count
        lost = self._samples.update(end, block.arrived_s)
        self._base, end = self._base + lost, end + lost
        self.overflows += block.overflowed
        self.last_block = block
        self._end = self._heard_end = end
        return AudioChunk(block.samples, end - count)

    def _begin(self, block: CapturedBlock) -> None:
        """Find the place of a new stream of samples."""
        self._opening = self._device.openings
        first = max(self._end, self._samples.sample_at(block.arrived_s) - len(block.samples))
        self._base = first - block.first_sample
        self._samples.restart()
        if self._device.is_away:
            self._device.is_away = False
            away_s = (first - self._heard_end) / self.recording.rate_hz
            self._tell(NoticeKind.MICROPHONE_BACK, f"{self._device.name} was away for {away_s:.1f} s", away_s)

    def _nothing(self) -> AudioChunk:
        self._end = max(self._end, self._samples.sample_at(self._clock.read().monotonic_s))
        return AudioChunk(np.empty((0, self.recording.channels), np.float32), self._end)

    def _look_around(self) -> None:
        self._beat()
        reading = self._clock.read()
        if reading.monotonic_s < self._looked_s + CLOCK_EVERY_S:
            return
        self._looked_s = reading.monotonic_s
        if change := self._wall.update(reading):
            self._on_clock_change(change)

    def _move_anchor(self) -> None:
        start, source = self._wall.utc(self._samples.zero_s), self._wall.source
        if source != self.recording.clock_source or abs(start - self.recording.start_utc) > ANCHOR_TOLERANCE:
            self.recording = replace(self.recording, start_utc=start, clock_source=source)

    def _on_lost(self, reason: str) -> None:
        log.warning("the microphone is away: %s; trying again until it is back", reason)
        self._tell(NoticeKind.MICROPHONE_LOST, reason, None)

    def _on_clock_change(self, change: ClockChange) -> None:
        if change.is_trusted:
            self._tell(NoticeKind.CLOCK_KNOWN, "the system's clock is right now", change.forward_s)
        else:
            self._tell(
                NoticeKind.CLOCK_STEP, f"the system's clock was set by {change.forward_s:+.1f} s", change.forward_s
            )

    def _tell(self, what: NoticeKind, detail: str, amount: float | None) -> None:
        utc = self._wall.utc(self._clock.read().monotonic_s)
        self._tell_notice(Notice(uuid4(), what, utc, detail[:MAX_TEXT], self._id, amount))
