"""Starts the capture program: apart from our end of it, so that it opens the microphone while the model is loaded."""

import subprocess
import sys

from anura_edge.errors import SourceError


def spawn_capture(
    device: int | str | None, rate_hz: int | None, channel: int, block_s: float
) -> "subprocess.Popen[bytes]":
    """Have a microphone opened, at its own rate or at the given one, by a process whose output `CaptureProcess` reads.

    It keeps ten seconds until somebody does. Raises SourceError if this machine can start no program.
    """
    command = [sys.executable, "-P", "-m", "anura_edge.sources.microphone.capture_main", f"--channel={channel}"]
    command += [f"--block={block_s}"]
    command += [] if device is None else [f"--device={device}"]
    command += [] if rate_hz is None else [f"--rate={rate_hz}"]
    # In a group of its own, or Ctrl-C would end it before us.
    try:
        return subprocess.Popen(  # noqa: S603 (our own program)
            command,
            bufsize=0,  # our end waits for the pipe itself
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
    except OSError as error:  # no memory, or no process number, is left; there may be some later
        raise SourceError(f"cannot start the capture program: {error.strerror}") from error
