"""The reader of the capture process: receives its blocks, and ends it."""

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
"""A driver that has not opened the microphone after this time never will."""

MAX_LINE_BYTES, SAMPLE_BYTES = 65_536, 4


@dataclass(frozen=True, slots=True, eq=False)
class CapturedBlock:
    """Audio that the driver delivered in one call."""

    samples: FloatArray
    """Shape (samples, channels), float32, full scale is -1.0 to 1.0."""

    first_sample: int
    """Counted since the microphone was opened. A jump is audio that was dropped."""

    arrived_s: float
    """Monotonic time of its delivery."""

    overflowed: bool
    """Whether the driver reports that it lost audio just before. It does not report how much."""


class Capture(Protocol):
    """An open microphone that delivers blocks of audio."""

    name: str
    """Independent of the time and the socket of plugging it in."""

    rate_hz: int
    channels: int

    def read(self, timeout_s: float) -> CapturedBlock | None:
        """Return the next block. None if none arrives within the timeout.

        Raises SourceError if the capture has ended.
        """

    def close(self) -> None:
        """Close it in any state."""


class CaptureProcess:
    """An open microphone in a separate process."""

    def __init__(
        self,
        device: int | str | None,
        rate_hz: int | None,
        channel: int,
        block_s: float,
        stop: Event,
        process: "Popen[bytes] | None" = None,
    ) -> None:
        """Open a microphone at the given rate or at its own, or use a capture process that was started for it.

        The driver delivers `block_s` at a time. Raises SourceError if it cannot be opened.
        """
        self._process = process or capture_spawn.spawn_capture(device, rate_hz, channel, block_s)
        self._pipe = cast("IO[bytes]", self._process.stdout)
        self._poll = poll()
        self._poll.register(self._pipe, POLLIN)
        self._buffer = bytearray()
        facts = self._read_facts(stop)
        if "error" in facts:
            self.close()
            raise (NoPortAudioError if facts.get("hopeless") else SourceError)(facts["error"])
        self.name: str = facts["name"]
        self.rate_hz: int = facts["rate_hz"]
        self.channels: int = facts["channels"]

    def read(self, timeout_s: float) -> CapturedBlock | None:
        """Return the next block. None if none arrives within the timeout.

        Raises SourceError if the capture has ended.
        """
        deadline_s = monotonic_s() + timeout_s
        if not self._fill_buffer(HEADER.size, deadline_s):
            return None
        first_sample, arrived_s, count, overflowed = HEADER.unpack_from(self._buffer)
        size = HEADER.size + count * self.channels * SAMPLE_BYTES
        if not self._fill_buffer(size, deadline_s):
            return None
        samples = np.frombuffer(self._buffer[HEADER.size : size], np.float32).reshape(count, -1)
        del self._buffer[:size]
        return CapturedBlock(samples, first_sample, arrived_s, bool(overflowed))

    def close(self) -> None:
        """Kill the process: it has nothing to save."""
        self._process.kill()
        self._process.wait()
        self._pipe.close()

    def _read_facts(self, stop: Event) -> dict[str, Any]:
        """Wait for the first line: the microphone's facts, or an error."""
        deadline_s = monotonic_s() + OPENING_S
        try:
            while b"\n" not in self._buffer:
                if stop.is_set() or monotonic_s() > deadline_s:
                    return {"error": f"the driver did not open the microphone within {OPENING_S:g} s"}
                self._read_pipe(MAX_LINE_BYTES, 0.1)
            line, _, self._buffer = self._buffer.partition(b"\n")
            facts: dict[str, Any] = json.loads(line)
        except (SourceError, ValueError):  # it ended, or is another program
            return {"error": "the capture process ended immediately"}
        return facts

    def _fill_buffer(self, size: int, deadline_s: float) -> bool:
        """Read from the pipe until the buffer contains `size` bytes. Return whether it does before the deadline."""
        while (missing := size - len(self._buffer)) > 0:
            if not self._read_pipe(missing, max(0.0, deadline_s - monotonic_s())):
                return False
        return True

    def _read_pipe(self, max_bytes: int, timeout_s: float) -> bool:
        """Read up to `max_bytes` from the pipe as soon as there are any. Return whether there were any in time."""
        if not self._poll.poll(timeout_s * 1e3):
            return False
        content = os.read(self._pipe.fileno(), max_bytes)
        if not content:
            raise SourceError("the driver delivers no more audio")
        self._buffer += content
        return True


class CaptureOpener:
    """Opens a microphone each time that it is needed."""

    def __init__(self, channel: int, block_s: float, stop: Event, process: "Popen[bytes] | None" = None) -> None:
        """Use `process`, a capture process that was started for the same microphone, the first time."""
        self._channel, self._block_s, self._stop, self._process = channel, block_s, stop, process

    def open(self, device: int | str | None, rate_hz: int | None) -> CaptureProcess:
        """Open it.

        Raises SourceError if it cannot be opened.
        """
        process, self._process = self._process, None
        return CaptureProcess(device, rate_hz, self._channel, self._block_s, self._stop, process)
