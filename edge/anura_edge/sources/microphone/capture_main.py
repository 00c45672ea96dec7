"""The capture process: it opens a microphone and writes the audio to its standard output.

    python -m anura_edge.sources.microphone.capture_main --device pulse --rate 48000 --channel 0 --block 0.2

PortAudio searches for devices once per process, and it can hang or crash with a driver. So it runs in a process that
can be killed and started again. The process imports neither numpy nor the rest of the device, so that it starts fast.

The first line of the output is JSON: the device's name, sampling rate and channels, or an error. Then follow blocks: a
header (`HEADER`) and the samples, float32, interleaved.
"""

import argparse
import json
import os
import struct
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from anura_edge.clocks.monotonic import monotonic_s
from anura_edge.errors import SourceError
from anura_edge.sources.microphone.devices import InputDevice, NoPortAudioError, find_device, load_sounddevice

MAX_BLOCK_S = 1.0
"""Longest block that the driver delivers, so that missing blocks are noticed soon."""

HEADER = struct.Struct("<QdII")
"""Position of the block's first sample since the device was opened, its arrival time (`monotonic_s`), its samples per
channel, and whether the driver had just lost audio."""

BACKLOG_S = 10.0
"""If this much audio waits for the reader, the older half is dropped, and the next block's position shows the gap. The
driver must never wait: a gap that is counted is better than one that the driver hides. One gap of five seconds hurts a
call less than fifty gaps of a tenth."""


class BlockQueue:
    """Collects blocks in the driver's thread."""

    def __init__(self, block_s: float) -> None:
        self.blocks: SimpleQueue[bytes] = SimpleQueue()
        self._max_blocks = max(2, round(BACKLOG_S / block_s))
        self._position = 0

    def on_block(self, samples: Any, count: int, _time: object, status: Any) -> None:  # noqa: ANN401 (PortAudio's)
        """Take a block, and whether audio was lost before it. PortAudio calls this."""
        # The driver's thread must never wait: it copies and counts, and nothing else.
        if self.blocks.qsize() >= self._max_blocks:
            with suppress(Empty):  # the reader may have taken some meanwhile
                for _ in range(self._max_blocks // 2):
                    self.blocks.get_nowait()
        header = HEADER.pack(self._position, monotonic_s(), count, bool(status.input_overflow))
        self.blocks.put(header + bytes(samples))
        self._position += count


def main() -> int:
    """Capture until the microphone or the reader is gone. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="number, USB id, name or part of a name (default: the system's)")
    parser.add_argument("--rate", type=int, help="sampling rate in Hz (default: the device's)")
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--block", type=float, required=True, help="length of a block in seconds")
    arguments = parser.parse_args()
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # messages of a driver must not get between the samples
    name = int(arguments.device) if (arguments.device or "").isdecimal() else arguments.device
    try:
        device = find_device(name)
        block_s = min(arguments.block, MAX_BLOCK_S)
        _capture(device, arguments.rate or device.rate_hz, arguments.channel + 1, block_s, output)
    except SourceError as error:
        _write_line(output, error=str(error), hopeless=isinstance(error, NoPortAudioError))
        return error.exit_code
    except BrokenPipeError:  # the reader has closed the pipe
        return 0
    return 0


def _capture(device: InputDevice, rate_hz: int, channels: int, block_s: float, output: BinaryIO) -> None:
    if channels > device.channels:
        raise SourceError(f"{device.name} has {device.channels} channels; set audio.channel below that")
    parent, queue, sd = os.getppid(), BlockQueue(block_s), load_sounddevice()
    try:
        stream = sd.RawInputStream(
            device=device.index,
            channels=channels,
            samplerate=rate_hz,
            blocksize=round(block_s * rate_hz),
            dtype="float32",
            callback=queue.on_block,
        )
        stream.start()
    except sd.PortAudioError as error:
        raise SourceError(f"cannot open {device.name}: {error}; is another program using it?") from error
    _write_line(output, name=device.stable_name, rate_hz=rate_hz, channels=channels)
    # If PulseAudio is killed, the blocks end without an error. A parent that was killed does not read any more.
    while stream.active and os.getppid() == parent:
        try:
            output.write(queue.blocks.get(timeout=0.5))
        except Empty:
            continue


def _write_line(output: BinaryIO, **facts: object) -> None:
    output.write(json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    os._exit(main())  # without closing PortAudio, which can hang when a driver or a server is gone
