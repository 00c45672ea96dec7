"""The monotonic clock, in a separate module so that the capture process imports little."""

import time


def monotonic_s() -> float:
    """Return the seconds since the machine started. Unlike `time.monotonic` it includes time in suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
