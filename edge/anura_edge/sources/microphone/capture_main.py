"""A program of its own that opens a microphone and writes what it hears to its standard output.

    python -m anura_edge.sources.microphone.capture_main --device pulse --rate 48000 --channel 0 --block 0.2

PortAudio looks for devices once in a process's life and can hang or crash with a driver, so the process is what is
thrown away and started again. It loads neither numpy nor the rest of the device, so that it starts fast.

First comes a line of JSON: the device's name, rate and channels, or an error. Then block after block: a header
(`HEADER`) and the samples, float32, interleaved.
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

LONGEST_BLOCK_S = 1.0
"""The driver hands over no more at a time, so that it is soon noticed when it hands over nothing."""

HEADER = struct.Struct("<QdII")
"""Position of the block's first sample since the device was opened, when it arrived (`monotonic_s`), its samples per
channel, and whether the driver had just lost audio."""

BACKLOG_S = 10.0
"""When so much waits for the reader, its older half is dropped, and the next block's position shows it: the driver must
never wait, a gap that we count beats one that it hides, and one gap of five seconds hurts a call less than fifty of a
tenth."""


class BlockQueue:
    """Puts blocks into a queue, in the driver's own thread."""

    def __init__(self, block_s: float) -> None:
        self.blocks: SimpleQueue[bytes] = SimpleQueue()
        self._most = max(2, round(BACKLOG_S / block_s))
        self._position = 0

    def on_block(self, samples: Any, count: int, _time: object, status: Any) -> None:  # noqa: ANN401 (PortAudio's)
        """Take a block, and whether audio was lost before it: PortAudio calls this."""
        # The driver's thread must never wait: copy, count, and nothing else.
        if self.blocks.qsize() >= self._most:
            with suppress(Empty):  # the reader may have come meanwhile
                for _ in range(self._most // 2):
                    self.blocks.get_nowait()
        header = HEADER.pack(self._position, monotonic_s(), count, bool(status.input_overflow))
        self.blocks.put(header + bytes(samples))
        self._position += count


def main() -> int:
    """Run the program until the microphone is gone, or the reader; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="number, USB id, name or part of a name; the default is the system's")
    parser.add_argument("--rate", type=int, help="in Hz; the default is the device's")
    parser.add_argument("--channel", type=int, default=0)
    parser.add_argument("--block", type=float, required=True, help="s; the driver hands over so much at a time")
    wanted = parser.parse_args()
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a driver prints must not get among the samples
    try:
        device = find_device(int(wanted.device) if (wanted.device or "").isdecimal() else wanted.device)
        _record(device, wanted.rate or device.rate_hz, wanted.channel + 1, min(wanted.block, LONGEST_BLOCK_S), output)
    except SourceError as error:
        _say(output, error=str(error), hopeless=isinstance(error, NoPortAudioError))
        return error.exit_code
    except BrokenPipeError:  # nobody listens any more
        return 0
    return 0


def _record(device: InputDevice, rate_hz: int, channels: int, block_s: float, output: BinaryIO) -> None:
    if channels > device.channels:
        raise SourceError(f"{device.name} has {device.channels} channels; set audio.channel below that")
    parent, recorder, sd = os.getppid(), BlockQueue(block_s), load_sounddevice()
    try:
        stream = sd.RawInputStream(
            device=device.index,
            channels=channels,
            samplerate=rate_hz,
            blocksize=round(block_s * rate_hz),
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
