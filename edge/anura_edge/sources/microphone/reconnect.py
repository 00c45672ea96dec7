"""Opens a microphone, and opens it again after it was disconnected."""

import logging
from collections.abc import Callable
from threading import Event
from typing import Protocol

from anura_edge.audio import is_flat
from anura_edge.clocks.sample_clock import Clock
from anura_edge.errors import SourceError
from anura_edge.sources.microphone.capture_client import Capture, CapturedBlock
from anura_edge.sources.microphone.devices import NoPortAudioError

log = logging.getLogger(__name__)

SILENT_DRIVER_S = 3.0
"""Without a block for this long the device is gone. If PulseAudio is killed, the blocks end without an error."""

FLAT_START_S = 10.0
"""A device whose samples are all equal for this long after it was opened is opened again, once."""

FIRST_PAUSE_S = 1.0
"""Pause after the first failed attempt. Each further failure doubles it."""

STABLE_S = 60.0
"""After audio for this long, the next pause is FIRST_PAUSE_S again."""


class OpenCapture(Protocol):
    """Opens a microphone by number or name (None: the default), at a sampling rate (None: its own)."""

    def __call__(self, device: int | str | None, rate_hz: int | None, /) -> Capture:
        """Raise SourceError if it cannot be opened."""


class ReconnectingCapture:
    """A microphone that may be disconnected and connected again."""

    def __init__(
        self,
        wanted: int | str | None,
        open_capture: OpenCapture,
        clock: Clock,
        stop: Event,
        retry_s: float,
        on_lost: Callable[[str], None],
    ) -> None:
        """`retry_s` is the longest pause between two attempts; `on_lost` is called once per loss with its reason."""
        self._wanted, self._open_capture = wanted, open_capture
        self._clock, self._stop, self._retry_s, self._on_lost = clock, stop, retry_s, on_lost
        self._capture: Capture | None = None
        self._attempts = 0
        self._audio_s = 0.0
        self._is_start_checked = self._starts_flat = False
        self.is_disconnected = False
        self.openings = 0
        """How often it was opened. After each opening, samples are counted from 0."""
        self.name = ""
        self.rate_hz = 0
        self.channels = 0

    def read(self) -> CapturedBlock | None:
        """Return the next block. None, after a while, if the device is disconnected, or if `stop` is set.

        Raises NoPortAudioError if no microphone can ever be opened.
        """
        try:
            block = self._next_block()
        except NoPortAudioError:
            raise
        except SourceError as error:
            if not self._stop.is_set():  # an attempt that a stop interrupts is no loss
                self._lose(str(error))
            return None
        if not block and self._capture and not self._stop.is_set():
            self._lose(f"no audio for {SILENT_DRIVER_S:g} s")
        return block

    def _next_block(self) -> CapturedBlock | None:
        if self._starts_flat:
            self._starts_flat = False
            raise SourceError(f"all samples equal for {FLAT_START_S:g} s after it was opened")
        if self._capture is None:
            self._open()
        block = self._capture.read(SILENT_DRIVER_S) if self._capture else None
        if block:
            self._audio_s += len(block.samples) / self.rate_hz
            self._check_start(block)
            self._attempts = 0 if self._audio_s > STABLE_S else self._attempts
        return block

    def close(self) -> None:
        """Close the device."""
        if self._capture:
            self._capture.close()
            self._capture = None

    def _open(self) -> None:
        if self._attempts:
            self._clock.sleep(min(self._retry_s, FIRST_PAUSE_S * 2 ** min(self._attempts - 1, 20)))
        if self._stop.is_set():
            return
        self._capture = self._open_capture(self._wanted, self.rate_hz or None)
        self.openings += 1
        self._audio_s = 0.0
        self.name, self.rate_hz, self.channels = self._capture.name, self._capture.rate_hz, self._capture.channels
        if not isinstance(self._wanted, str):
            self._wanted = self.name  # a number, or the default, may be another device after unplugging

    def _lose(self, reason: str) -> None:
        self.close()
        self._attempts += 1
        if not self.is_disconnected:
            self.is_disconnected = True
            self._on_lost(reason)

    def _check_start(self, block: CapturedBlock) -> None:
        """Check once that the device delivers a signal. Opening it a third time would not help."""
        if self._is_start_checked:
            return
        if not is_flat(block.samples):
            self._is_start_checked = True
        elif self._audio_s >= FLAT_START_S:
            self._is_start_checked = self._starts_flat = True
