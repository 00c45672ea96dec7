"""Our end of the capture program: reads its blocks as they come, and ends it."""

import json
import struct
import time
from collections import deque
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from subprocess import Popen
from threading import Condition, Event, Thread
from typing import IO, Any, Protocol, cast

import numpy as np

from anura_edge.audio import FloatArray
from anura_edge.errors import SourceError
from anura_edge.sources import capture_program
from anura_edge.sources.capture import HEADER
from anura_edge.sources.devices import NoPortAudioError

OPENING_S = 10.0
"""A driver that has not opened after this never will."""

BACKLOG_S = 10.0
"""A backlog of this much drops its older half: the capture must never wait, a gap that we count beats one that the
driver hides, and one gap of five seconds hurts a call less than fifty of a tenth."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
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

    def read(self, timeout_s: float) -> Block | None:
        """Return the next block; None if there is none in time.

        Raises SourceError when there will be no more.
        """

    def close(self) -> None:
        """End it, whatever state it is in."""


class Backlog:
    """Blocks on their way from one thread to another."""

    def __init__(self, rate_hz: int) -> None:
        self._limit = round(BACKLOG_S * rate_hz)
        self._blocks: deque[Block] = deque()
        self._samples = 0
        self._ended = False
        self._change = Condition()

    def put(self, block: Block) -> None:
        """Append a block; if there are too many now, drop the older half."""
        with self._change:
            self._blocks.append(block)
            self._samples += len(block.samples)
            if self._samples > self._limit:
                while self._samples > self._limit // 2:
                    self._samples -= len(self._blocks.popleft().samples)
            self._change.notify()

    def end(self) -> None:
        """Say that no more blocks will come."""
        with self._change:
            self._ended = True
            self._change.notify()

    def get(self, timeout_s: float) -> Block | None:
        """Take the oldest block; None if there is none in time.

        Raises SourceError when the last one was taken and no more will come.
        """
        with self._change:
            self._change.wait_for(lambda: self._blocks or self._ended, timeout_s)
            if self._blocks:
                block = self._blocks.popleft()
                self._samples -= len(block.samples)
                return block
            if self._ended:
                raise SourceError("the driver gives no more audio")
            return None


class CaptureProcess:
    """A microphone that is open in a process of its own."""

    def __init__(
        self,
        device: int | str | None,
        rate_hz: int | None,
        channel: int,
        stop: Event,
        started: "Popen[bytes] | None" = None,
    ) -> None:
        """Open a microphone, at its own rate or at the given one, or take over a program that was `started` to do that.

        Raises SourceError if it cannot be opened.
        """
        self._process = started or capture_program.start(device, rate_hz, channel)
        self._pipe = cast("IO[bytes]", self._process.stdout)
        self._backlog = Backlog(0)
        facts: SimpleQueue[dict[str, Any]] = SimpleQueue()
        Thread(target=self._pump, args=(facts,), name="microphone", daemon=True).start()
        opened = _wait(facts, stop)
        if "error" in opened:
            self.close()
            raise (NoPortAudioError if opened.get("hopeless") else SourceError)(opened["error"])
        self.name: str = opened["name"]
        self.rate_hz: int = opened["rate_hz"]
        self.channels: int = opened["channels"]

    def _pump(self, facts: "SimpleQueue[dict[str, Any]]") -> None:
        # Blocks are taken from the pipe as fast as they come, however slow the model is.
        with self._pipe:
            try:
                opened = json.loads(self._pipe.readline())
                self._backlog = Backlog(opened.get("rate_hz", 0))
                facts.put(opened)
                while header := self._pipe.read(HEADER.size):
                    first_sample, arrived_s, count, overflowed = HEADER.unpack(header)
                    samples = np.frombuffer(self._pipe.read(count * opened["channels"] * 4), np.float32)
                    block = Block(samples.reshape(count, -1), first_sample, arrived_s, bool(overflowed))
                    self._backlog.put(block)
            except (ValueError, struct.error):
                pass  # it ended in the middle of a block
        facts.put({"error": "the capture program ended at once"})  # nobody reads it if there were better facts
        self._backlog.end()

    def read(self, timeout_s: float) -> Block | None:
        """Return the next block; None if there is none in time.

        Raises SourceError when there will be no more.
        """
        return self._backlog.get(timeout_s)

    def close(self) -> None:
        """End it, whatever state it is in: there is nothing in it to be saved."""
        self._process.kill()
        self._process.wait()


class Captures:
    """Opens a microphone as often as that is needed."""

    def __init__(self, channel: int, stop: Event, started: "Popen[bytes] | None" = None) -> None:
        """Take over, the first time, a program that was `started` for the same microphone."""
        self._channel, self._stop, self._started = channel, stop, started

    def open(self, device: int | str | None, rate_hz: int | None) -> CaptureProcess:
        """Open it.

        Raises SourceError if it cannot be opened.
        """
        started, self._started = self._started, None
        return CaptureProcess(device, rate_hz, self._channel, self._stop, started)


def _wait(facts: "SimpleQueue[dict[str, Any]]", stop: Event) -> dict[str, Any]:
    deadline = time.monotonic() + OPENING_S
    while time.monotonic() < deadline and not stop.is_set():
        try:
            return facts.get(timeout=0.1)
        except Empty:
            continue
    return {"error": f"the driver did not open the microphone within {OPENING_S:g} s"}
