"""What the machine says about itself. What it does not say is None: nothing here is guessed."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

_TIME_ERROR = 5
"""What adjtimex(2) returns while nothing keeps the clock right."""


@dataclass(frozen=True, slots=True)
class Space:
    """What is left of a file system for those who are not root."""

    free_bytes: int
    free_inodes: int | None
    """None where the file system makes inodes as it needs them (btrfs, FAT)."""


def space(folder: Path) -> Space:
    """Ask a folder's file system.

    Raises OSError if there is no such folder.
    """
    status = os.statvfs(folder)
    return Space(status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None)


def boot_id() -> str | None:
    """Return what Linux calls the time since it was switched on."""
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def memory_bytes() -> int | None:
    """Return the memory that this process holds (RSS)."""
    statm = _text(Path("/proc/self/statm"))
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm else None


COLDEST_C, HOTTEST_C = -100, 250
"""Beyond these a reading is a sensor's way to say that it has none, as in 0x7fffffff thousandths."""


def temperature_c(sys: Path = Path("/sys")) -> float | None:
    """Return the hottest sensor's temperature, in degrees Celsius."""
    readings = (_number(path, 10) for path in sys.glob("class/thermal/thermal_zone*/temp"))
    degrees = (reading / 1000 for reading in readings if reading is not None)
    return max((degree for degree in degrees if COLDEST_C <= degree <= HOTTEST_C), default=None)


def throttled_bits(sys: Path = Path("/sys")) -> int | None:
    """Return a Raspberry Pi's throttling bits: 0 under-voltage, 1 capped, 2 throttled, 3 hot; 16 to 19, since boot.

    Raspberry Pi documentation, `vcgencmd get_throttled`; the kernel shows the same number.
    """
    return next((_number(path, 16) for path in sys.glob("devices/platform/soc*/soc*firmware/get_throttled")), None)


def clock_synchronised() -> bool | None:
    """Say whether NTP, PTP or GPS keeps this machine's clock right."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # zeros: change nothing, only ask
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def _number(path: Path, base: int) -> int | None:
    try:
        return int(_text(path) or "", base)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # a sensor may refuse to be read
        return None
