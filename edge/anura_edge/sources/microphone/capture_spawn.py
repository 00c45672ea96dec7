"""Starts the capture process. It is a separate module, so that the microphone opens while the model is loaded."""

import subprocess
import sys

from anura_edge.errors import SourceError


def spawn_capture(
    device: int | str | None, rate_hz: int | None, channel: int, block_s: float
) -> "subprocess.Popen[bytes]":
    """Start a process that opens a microphone, at the given rate or at its own. `CaptureProcess` reads its output.

    It buffers ten seconds until the first read. Raises SourceError if this machine cannot start a process.
    """
    command = [sys.executable, "-P", "-m", "anura_edge.sources.microphone.capture_main", f"--channel={channel}"]
    command += [f"--block={block_s}"]
    command += [] if device is None else [f"--device={device}"]
    command += [] if rate_hz is None else [f"--rate={rate_hz}"]
    # In its own process group, or Ctrl-C would end it before this process.
    try:
        return subprocess.Popen(  # noqa: S603 (our own program)
            command,
            bufsize=0,  # the reader polls the pipe itself
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
    except OSError as error:  # out of memory or of process numbers, maybe only for a while
        raise SourceError(f"cannot start the capture process: {error.strerror}") from error
