"""Facts about this machine. A fact that the machine does not report is None; no value is guessed."""

import ctypes
import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

_TIME_ERROR = 5
"""Result of adjtimex(2) while no source synchronises the clock."""


@dataclass(frozen=True, slots=True)
class Space:
    """Free space of a file system for users other than root."""

    free_bytes: int
    free_inodes: int | None
    """None where the file system creates inodes on demand (btrfs, FAT)."""


def space(folder: Path) -> Space:
    """Return the free space of a folder's file system.

    Raises OSError if the folder does not exist.
    """
    status = os.statvfs(folder)
    return Space(status.f_bavail * status.f_frsize, status.f_favail if status.f_files else None)


def boot_id() -> str | None:
    """Return the id of this boot. Linux makes a new one at each start."""
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def machine_id(root: Path = Path("/")) -> str | None:
    """Return what tells this computer from others: a hash, because the values themselves identify a computer anywhere.

    It is made of the serial number of the board, which a copied memory card does not take along, or of the machine-id
    (machine-id(5)) where the board has no serial number, as most PCs.
    """
    serial = _text(root / "proc/device-tree/serial-number") or ""
    serial = serial.strip("\0 ")
    value = serial if serial.strip("0") else _text(root / "etc/machine-id")
    if not value or value == "uninitialized":
        return None
    return blake2b(value.encode(), digest_size=6, person=b"anura-edge").hexdigest()


def memory_bytes() -> int | None:
    """Return the resident memory of this process (RSS)."""
    statm = _text(Path("/proc/self/statm"))
    return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm else None


COLDEST_C, HOTTEST_C = -100, 250
"""Values outside this range mean that a sensor has no reading, as in 0x7fffffff thousandths."""


def temperature_c(sys: Path = Path("/sys")) -> float | None:
    """Return the temperature of the hottest sensor, in degrees Celsius."""
    readings = (_number(path, 10) for path in sys.glob("class/thermal/thermal_zone*/temp"))
    degrees = (reading / 1000 for reading in readings if reading is not None)
    return max((degree for degree in degrees if COLDEST_C <= degree <= HOTTEST_C), default=None)


def throttled_bits(sys: Path = Path("/sys")) -> int | None:
    """Return the throttling bits of a Raspberry Pi: 0 under-voltage, 1 capped, 2 throttled, 3 hot.

    Bits 16 to 19 say the same about the time since boot (Raspberry Pi documentation, `vcgencmd get_throttled`).
    """
    return next((_number(path, 16) for path in sys.glob("devices/platform/soc*/soc*firmware/get_throttled")), None)


def clock_synchronised() -> bool | None:
    """Return whether NTP, PTP or GPS synchronises this machine's clock."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # zeros: read only
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
    except (OSError, ValueError):  # some sensors cannot be read
        return None
