"""Listens to a microphone through PortAudio."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from threading import Event
from types import ModuleType, TracebackType
from typing import Any
from uuid import uuid4

import numpy as np

from anura_edge.audio import AudioChunk, ClockSource, FloatArray, Recording
from anura_edge.errors import SourceError, UnreadableError

BLOCK_S = 0.1
"""The driver hands over this much at a time: the floor of the latency."""

MAX_BACKLOG_BLOCKS = 100
"""A full queue (10 s) drops its oldest block: the audio callback must never wait, and a gap that we count beats one
that the driver hides."""

SILENT_DRIVER_S = 10.0
"""No block for this long means that the device is gone. Killing PulseAudio ends the blocks without any error."""


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone, or another input, that PortAudio knows."""

    index: int
    name: str
    channels: int
    rate_hz: int
    is_default: bool


def devices() -> list[Device]:
    """Return every input there is.

    Raises SourceError if PortAudio itself is missing.
    """
    sd = _sounddevice()
    default = sd.default.device[0]
    return [
        Device(index, info["name"], info["max_input_channels"], round(info["default_samplerate"]), index == default)
        for index, info in enumerate(sd.query_devices())
        if info["max_input_channels"] > 0
    ]


def find(wanted: int | str | None) -> Device:
    """Return the device with a number or with a part of a name; None is the system's default.

    Raises SourceError, naming the devices there are.
    """
    there = devices()
    if wanted is None:
        found = [device for device in there if device.is_default] or there[:1]
    elif isinstance(wanted, int):
        found = [device for device in there if device.index == wanted]
    else:
        found = [device for device in there if device.name == wanted]
        found = found or [device for device in there if wanted.lower() in device.name.lower()]
    if found:
        return found[0]
    names = "; ".join(f"{device.index} {device.name!r}" for device in there) or "none at all: plug one in"
    what = "no microphone" if wanted is None else f"no microphone {wanted!r}"
    raise SourceError(f"{what}; there are: {names} (see `anura-edge devices`, set audio.microphone)")


class Microphone:
    """A microphone that is open. Use it as a context manager."""

    def __init__(self, device: Device, channel: int, stop: Event) -> None:
        """Open the device and wait for its first block.

        Raises SourceError if it cannot be opened or stays silent.
        """
        if channel >= device.channels:
            raise SourceError(f"{device.name} has {device.channels} channels; set audio.channel below that")
        self._stop = stop
        self._rate_hz = device.rate_hz
        self._blocks: SimpleQueue[AudioChunk] = SimpleQueue()
        self._captured = 0
        self.overflows = 0
        """How often the driver said that it lost audio. It does not say how much."""
        sd = _sounddevice()
        try:
            self._stream = sd.InputStream(
                device=device.index,
                channels=channel + 1,
                samplerate=device.rate_hz,
                blocksize=round(BLOCK_S * device.rate_hz),
                dtype="float32",
                callback=self._on_block,
            )
            self._stream.start()
        except sd.PortAudioError as error:
            raise SourceError(f"cannot open {device.name}: {error}; is another program using it?") from error
        self._first = self._next_block()
        if self._first is None and not stop.is_set():
            self._stream.close(ignore_errors=True)
            raise SourceError(f"{device.name} gives no audio; unplug it and plug it in again, or choose another")
        start = datetime.now(UTC) - timedelta(seconds=self._captured / device.rate_hz)
        self.recording = Recording(
            str(uuid4()), device.name, start, ClockSource.SYSTEM, device.rate_hz, channels=channel + 1, samples=None
        )

    def __enter__(self) -> "Microphone":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close(ignore_errors=True)

    def chunks(self) -> Iterator[AudioChunk]:
        """Yield audio as it comes, until told to stop.

        Raises UnreadableError when the device is gone.
        """
        block = self._first
        while block is not None:
            yield block
            block = self._next_block()
        if not self._stop.is_set():
            raise UnreadableError("device_gone", f"{self.recording.name}: no audio for {SILENT_DRIVER_S:g} s")

    def _next_block(self) -> AudioChunk | None:
        deadline = time.monotonic() + SILENT_DRIVER_S
        while not self._stop.is_set() and time.monotonic() < deadline:
            try:
                return self._blocks.get(timeout=0.2)
            except Empty:
                continue
        return None

    def _on_block(self, samples: FloatArray, count: int, _time: object, status: Any) -> None:  # noqa: ANN401 (PortAudio's)
        # Runs in the driver's thread: copy, count, and nothing else.
        self.overflows += bool(status.input_overflow)
        if self._blocks.qsize() >= MAX_BACKLOG_BLOCKS:
            self._blocks.get()
        self._blocks.put(AudioChunk(np.array(samples), self._captured))
        self._captured += count


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:
        raise SourceError(f"microphones need PortAudio ({error}); on Debian: apt install libportaudio2") from error
    else:
        return sounddevice  # type: ignore[no-any-return]
