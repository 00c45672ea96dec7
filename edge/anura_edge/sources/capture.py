"""A program of its own that opens a microphone and writes what it hears to its standard output.

    python -m anura_edge.sources.capture --device pulse --rate 48000 --channel 0

PortAudio looks for devices once in a process's life and can hang or crash with a driver, so the process is what is
thrown away and started again. It loads neither numpy nor the rest of the device, so that it starts fast.

First comes a line of JSON: the device's name, rate and channels, or an error. Then block after block: a header
(`HEADER`) and the samples, float32, interleaved.
"""

import argparse
import json
import os
import struct
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from anura_edge.errors import SourceError
from anura_edge.monotonic import monotonic_s
from anura_edge.sources.devices import Device, NoPortAudioError, find, sounddevice

BLOCK_S = 0.1
"""The driver hands over this much at a time: the floor of the latency."""

HEADER = struct.Struct("<QdII")
"""Position of the block's first sample since the device was opened, when it arrived (`monotonic_s`), its samples per
channel, and whether the driver had just lost audio."""

MAX_WAITING_BLOCKS = 100
"""When the reader does not read for 10 s, the oldest block is dropped. The next block's position shows it."""


class _Recorder:
    """Puts blocks into a queue, in the driver's own thread."""

    def __init__(self) -> None:
        self.blocks: SimpleQueue[bytes] = SimpleQueue()
        self._position = 0

    def on_block(self, samples: Any, count: int, _time: object, status: Any) -> None:  # noqa: ANN401 (PortAudio's)
        # The driver's thread must never wait: copy, count, and nothing else.
        if self.blocks.qsize() >= MAX_WAITING_BLOCKS:
            self.blocks.get()
        header = HEADER.pack(self._position, monotonic_s(), count, bool(status.input_overflow))
        self.blocks.put(header + bytes(samples))
        self._position += count


def main() -> int:
    """Run the program until the microphone is gone, or the reader; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="number, USB id, name or part of a name; the default is the system's")
    parser.add_argument("--rate", type=int, help="in Hz; the default is the device's")
    parser.add_argument("--channel", type=int, default=0)
    wanted = parser.parse_args()
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a driver prints must not get among the samples
    try:
        device = find(int(wanted.device) if (wanted.device or "").isdecimal() else wanted.device)
        _record(device, wanted.rate or device.rate_hz, wanted.channel + 1, output)
    except SourceError as error:
        _say(output, error=str(error), hopeless=isinstance(error, NoPortAudioError))
        return error.exit_code
    except BrokenPipeError:  # nobody listens any more
        return 0
    return 0


def _record(device: Device, rate_hz: int, channels: int, output: BinaryIO) -> None:
    if channels > device.channels:
        raise SourceError(f"{device.name} has {device.channels} channels; set audio.channel below that")
    parent, recorder, sd = os.getppid(), _Recorder(), sounddevice()
    try:
        stream = sd.RawInputStream(
            device=device.index,
            channels=channels,
            samplerate=rate_hz,
            blocksize=round(BLOCK_S * rate_hz),
            dtype="float32",
            callback=recorder.on_block,
        )
        stream.start()
    except sd.PortAudioError as error:
        raise SourceError(f"cannot open {device.name}: {error}; is another program using it?") from error
    _say(output, name=device.stable_name, rate_hz=rate_hz, channels=channels)
    # Killing PulseAudio ends the blocks without any error; a parent that was killed reads no more.
    while stream.active and os.getppid() == parent:
        try:
            output.write(recorder.blocks.get(timeout=0.5))
        except Empty:
            continue


def _say(output: BinaryIO, **facts: object) -> None:
    output.write(json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    os._exit(main())  # without closing PortAudio, which can hang when a driver or a server is gone
