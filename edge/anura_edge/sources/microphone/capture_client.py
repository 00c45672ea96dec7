"""Our end of the capture program: reads its blocks as they come, and ends it."""

import json
import os
from dataclasses import dataclass
from select import POLLIN, poll
from subprocess import Popen
from threading import Event
from typing import IO, Any, Protocol, cast

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.clocks.monotonic import monotonic_s
from anura_edge.errors import SourceError
from anura_edge.sources.microphone import capture_spawn
from anura_edge.sources.microphone.capture_main import HEADER
from anura_edge.sources.microphone.devices import NoPortAudioError

OPENING_S = 10.0
"""A driver that has not opened after this never will."""

LONGEST_LINE, SAMPLE_BYTES = 65_536, 4


@dataclass(frozen=True, slots=True, eq=False)
class CapturedBlock:
    """Some audio that the driver handed over at once."""

    samples: FloatArray
    """Shape (samples, channels), float32, full scale is -1.0 to 1.0."""

    first_sample: int
    """Counted since the microphone was opened; a jump is audio that was dropped."""

    arrived_s: float
    """Monotonic time at which the driver handed it over."""

    overflowed: bool
    """Whether the driver says that it lost audio just before. It does not say how much."""


class Capture(Protocol):
    """A microphone that is open."""

    name: str
    """The same whenever and wherever the microphone is plugged in."""

    rate_hz: int
    channels: int

    def read(self, timeout_s: float) -> CapturedBlock | None:
        """Return the next block; None if there is none in time.

        Raises SourceError when there will be no more.
        """

    def close(self) -> None:
        """End it, whatever state it is in."""


class CaptureProcess:
    """A microphone that is open in a process of its own."""

    def __init__(
        self,
        device: int | str | None,
        rate_hz: int | None,
        channel: int,
        block_s: float,
        stop: Event,
        started: "Popen[bytes] | None" = None,
    ) -> None:
        """Open a microphone, at its own rate or at the given one, or take over a program that was `started` to do that.

        The driver hands over `block_s` at a time. Raises SourceError if it cannot be opened.
        """
        self._process = started or capture_spawn.spawn_capture(device, rate_hz, channel, block_s)
        self._pipe = cast("IO[bytes]", self._process.stdout)
        self._poll = poll()
        self._poll.register(self._pipe, POLLIN)
        self._held = bytearray()
        opened = self._facts(stop)
        if "error" in opened:
            self.close()
            raise (NoPortAudioError if opened.get("hopeless") else SourceError)(opened["error"])
        self.name: str = opened["name"]
        self.rate_hz: int = opened["rate_hz"]
        self.channels: int = opened["channels"]

    def read(self, timeout_s: float) -> CapturedBlock | None:
        """Return the next block; None if there is none in time.

        Raises SourceError when there will be no more.
        """
        deadline_s = monotonic_s() + timeout_s
        if not self._hold(HEADER.size, deadline_s):
            return None
        first_sample, arrived_s, count, overflowed = HEADER.unpack_from(self._held)
        size = HEADER.size + count * self.channels * SAMPLE_BYTES
        if not self._hold(size, deadline_s):
            return None
        samples = np.frombuffer(self._held[HEADER.size : size], np.float32).reshape(count, -1)
        del self._held[:size]
        return CapturedBlock(samples, first_sample, arrived_s, bool(overflowed))

    def close(self) -> None:
        """End it, whatever state it is in: there is nothing in it to be saved."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _facts(self, stop: Event) -> dict[str, Any]:
        """Wait for the first line: the microphone's facts, or an error."""
        deadline_s = monotonic_s() + OPENING_S
        try:
            while b"\n" not in self._held:
                if stop.is_set() or monotonic_s() > deadline_s:
                    return {"error": f"the driver did not open the microphone within {OPENING_S:g} s"}
                self._take(LONGEST_LINE, 0.1)
            line, _, self._held = self._held.partition(b"\n")
            facts: dict[str, Any] = json.loads(line)
        except (SourceError, ValueError):  # it ended, or is another program
            return {"error": "the capture program ended at once"}
        return facts

    def _hold(self, size: int, deadline_s: float) -> bool:
        """Take from the pipe until `size` bytes are held; say whether they are before the deadline."""
        while (missing := size - len(self._held)) > 0:
            if not self._take(missing, max(0.0, deadline_s - monotonic_s())):
                return False
        return True

    def _take(self, most: int, timeout_s: float) -> bool:
        """Take up to `most` bytes from the pipe as soon as there are any; say whether there were in time."""
        if not self._poll.poll(timeout_s * 1e3):
            return False
        part = os.read(self._pipe.fileno(), most)
        if not part:
            raise SourceError("the driver gives no more audio")
        self._held += part
        return True


class CaptureOpener:
    """Opens a microphone as often as that is needed."""

    def __init__(self, channel: int, block_s: float, stop: Event, started: "Popen[bytes] | None" = None) -> None:
        """Take over, the first time, a program that was `started` for the same microphone."""
        self._channel, self._block_s, self._stop, self._started = channel, block_s, stop, started

    def open(self, device: int | str | None, rate_hz: int | None) -> CaptureProcess:
        """Open it.

        Raises SourceError if it cannot be opened.
        """
        started, self._started = self._started, None
        return CaptureProcess(device, rate_hz, self._channel, self._block_s, self._stop, started)
