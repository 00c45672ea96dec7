"""The clock that nobody can set, apart from the rest of the clocks so that the capture program stays small."""

import time


def monotonic_s() -> float:
    """Return the seconds since the machine started. Unlike `time.monotonic` it goes on while a laptop sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
