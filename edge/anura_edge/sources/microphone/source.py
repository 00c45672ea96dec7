"""A microphone as one recording that lasts as long as the program, also if the device or the clock changes."""

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
"""The start time is corrected if it is wrong by more: a fifth of the error that a time may have."""

CLOCK_INTERVAL_S = 1.0
"""Interval of reading the wall clock, in seconds."""


class MicrophoneSource:
    """A microphone that can be analysed. Use it as a context manager, and call `wait` first.

    Positions follow the monotonic clock: after a time without audio, the next chunk's `first_sample` jumps by as many
    samples as that time would have had. A chunk without samples means that there is no audio up to its position.
    """

    recording: Recording
    """Its current facts: `start_utc` moves when the clock is set, and as the sound card's rate drifts."""

    def __init__(
        self,
        wanted: int | str | None,
        open_capture: OpenCapture,
        clock: Clock,
        on_notice: Callable[[Notice], None],
        heartbeat: Callable[[], None],
        stop: Event,
        retry_s: float,
    ) -> None:
        """Take the arguments of `ReconnectingCapture`.

        `on_notice` gets what happens to the device and its clock. `heartbeat` is called while it reads or reconnects.
        """
        self._clock, self._on_notice, self._heartbeat, self._stop = clock, on_notice, heartbeat, stop
        self._device = ReconnectingCapture(wanted, open_capture, clock, stop, retry_s, self._on_lost)
        self._id = str(uuid4())
        self._opening = 0
        """Number of the opening of the device that the position of the last block belongs to."""
        self._base = self._end = self._audio_end = 0
        """Positions in the recording: of the first sample of this opening, of the end of all chunks, and of the end of
        the last chunk with audio."""
        start = clock.read()
        self._wall, self._start_s, self._clock_read_s = WallClock(start), start.monotonic_s, start.monotonic_s
        self.overflows = 0
        """How often the driver reported lost audio."""
        self.last_block: CapturedBlock | None = None
        """The newest audio."""

    def __enter__(self) -> "MicrophoneSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._device.close()

    @property
    def drift_ppm(self) -> float | None:
        """By how much the sound card samples too fast, in parts per million. None until it is known."""
        return self._samples.drift_ppm

    def wait(self) -> bool:
        """Wait for the first audio. Return whether any arrived before `stop` was set.

        Raises SourceError if no microphone can ever be opened.
        """
        self._check_clock()
        while not (first := self._device.read()):
            if self._stop.is_set():
                return False
            self._check_clock()
        # A time of disconnection belongs to the recording; the moment that opening takes does not.
        ready_s = first.arrived_s - len(first.samples) / self._device.rate_hz
        self._samples = SampleClock(self._device.rate_hz, self._start_s if self._device.is_disconnected else ready_s)
        start, source = self._wall.utc(self._samples.zero_s), self._wall.source
        name, channels = self._device.name[:MAX_TEXT], self._device.channels
        self.recording = Recording(self._id, name, start, source, self._device.rate_hz, channels, samples=None)
        self.last_block = first
        return True

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield audio as it arrives, and empty chunks while there is none, until `stop` is set."""
        block = self.last_block
        while block or not self._stop.is_set():
            self._check_clock()
            self._correct_start()
            yield self._to_chunk(block) if block else self._empty_chunk()
            block = None if self._stop.is_set() else self._device.read()

    def _to_chunk(self, block: CapturedBlock) -> AudioChunk:
        count = len(block.samples)
        if self._opening != self._device.openings:
            self._start_after_opening(block)
        end = self._base + block.first_sample + count
        lost = self._samples.update(end, block.arrived_s)
        self._base, end = self._base + lost, end + lost
        self.overflows += block.overflowed
        self.last_block = block
        self._end = self._audio_end = end
        return AudioChunk(block.samples, end - count)

    def _start_after_opening(self, block: CapturedBlock) -> None:
        """Set the position of the first block after the device was opened, and restart the sample clock.

        Send the notice `microphone_back` if the device was disconnected.
        """
        self._opening = self._device.openings
        first = max(self._end, self._samples.sample_at(block.arrived_s) - len(block.samples))
        self._base = first - block.first_sample
        self._samples.restart()
        if self._device.is_disconnected:
            self._device.is_disconnected = False
            gap_s = (first - self._audio_end) / self.recording.rate_hz
            self._notify(NoticeKind.MICROPHONE_BACK, f"{self._device.name} was disconnected for {gap_s:.1f} s", gap_s)

    def _empty_chunk(self) -> AudioChunk:
        self._end = max(self._end, self._samples.sample_at(self._clock.read().monotonic_s))
        return AudioChunk(np.empty((0, self.recording.channels), np.float32), self._end)

    def _check_clock(self) -> None:
        self._heartbeat()
        reading = self._clock.read()
        if reading.monotonic_s < self._clock_read_s + CLOCK_INTERVAL_S:
            return
        self._clock_read_s = reading.monotonic_s
        if change := self._wall.update(reading):
            self._on_clock_change(change)

    def _correct_start(self) -> None:
        start, source = self._wall.utc(self._samples.zero_s), self._wall.source
        if source != self.recording.clock_source or abs(start - self.recording.start_utc) > ANCHOR_TOLERANCE:
            self.recording = replace(self.recording, start_utc=start, clock_source=source)

    def _on_lost(self, reason: str) -> None:
        log.warning("the microphone is disconnected: %s; trying again until it is back", reason)
        self._notify(NoticeKind.MICROPHONE_LOST, reason, None)

    def _on_clock_change(self, change: ClockChange) -> None:
        if change.is_trusted:
            self._notify(NoticeKind.CLOCK_KNOWN, "the system clock is right now", change.forward_s)
        else:
            detail = f"the system clock was set by {change.forward_s:+.1f} s"
            self._notify(NoticeKind.CLOCK_STEP, detail, change.forward_s)

    def _notify(self, what: NoticeKind, detail: str, amount: float | None) -> None:
        utc = self._wall.utc(self._clock.read().monotonic_s)
        self._on_notice(Notice(uuid4(), what, utc, detail[:MAX_TEXT], self._id, amount))
