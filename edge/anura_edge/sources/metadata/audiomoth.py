"""Reads what an AudioMoth writes: `CONFIG.TXT` on its card, and the comment in each recording.

The comment is the `ICMT` in a `LIST` chunk of kind `INFO`: English sentences, those of AudioMoth-Firmware-Basic's
src/main.c, 1.0.0 to 1.11.1. Each version has its own selection and order of sentences, so each is searched alone.
"""

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from anura_edge.sources.metadata.resolve import Metadata, TimeEvidence
from anura_edge.sources.metadata.text import first_number, printable_text

_TIME = re.compile(
    r"^Recorded at (\d\d:\d\d:\d\d(?:\.\d{3})?) (\d\d/\d\d/\d{4}) \(UTC(?:([+-])(\d{1,2})(?::(\d\d))?)?\)", re.A
)
_SERIAL = re.compile(r"AudioMoth ([0-9A-F]{16})", re.A)
_GAIN = re.compile(r"at (gain setting \d|[a-z-]+ gain)", re.A)
_BATTERY = re.compile(r"battery(?: state)? was (?:(?:less|greater) than )?(\d\.\d)V", re.A)
_TEMPERATURE = re.compile(r"temperature was (-?\d{1,2}\.\d)C", re.A)
_STOPPED = re.compile(r"(?:stopped|cancelled before completion) (?:due to |by )([^.]{1,60})", re.A)


@dataclass(frozen=True, slots=True)
class AudioMothConfig:
    """Settings of an AudioMoth in its own words. None if the file does not contain them."""

    serial: str | None
    firmware: str | None
    time_zone: str | None
    """As in `UTC+10:30`."""
    rate_hz: str | None
    gain: str | None


def read_config(content: bytes) -> AudioMothConfig | None:
    """Read a CONFIG.TXT, lines of `Key : Value`. Return None if no AudioMoth wrote it."""
    pairs = (line.partition(" : ") for line in content.decode("latin-1").splitlines())
    values = {key.strip(): printable_text(value.strip()) for key, _, value in pairs}
    if "Device ID" not in values:
        return None
    keys = ("Device ID", "Firmware", "Time zone", "Sample rate (Hz)", "Gain")
    return AudioMothConfig(*map(values.get, keys))


def read_comment(chunk: bytes) -> TimeEvidence:
    """Return the content of a LIST chunk, if an AudioMoth wrote it."""
    comment = _find_comment(chunk)
    if not (time := _TIME.search(comment)):
        return TimeEvidence(unread_time=comment.startswith("Recorded at "))
    metadata = Metadata(
        model="AudioMoth",
        serial=_search(_SERIAL, comment),
        gain=_search(_GAIN, comment),
        battery_v=first_number(_search(_BATTERY, comment)),
        temperature_c=first_number(_search(_TEMPERATURE, comment)),
        stopped_by=printable_text(_search(_STOPPED, comment)),
    )
    start = _start(time)
    return TimeEvidence(start, metadata=metadata, unread_time=not start)


def _find_comment(chunk: bytes) -> str:
    """Return the ICMT of an INFO list."""
    offset = 4 if chunk.startswith(b"INFO") else len(chunk)
    while offset + 8 <= len(chunk):
        kind, length = struct.unpack_from("<4sI", chunk, offset)
        if kind == b"ICMT":
            return chunk[offset + 8 : offset + 8 + length].decode("latin-1").strip("\0 ")
        offset += 8 + length + length % 2
    return ""


def _start(match: re.Match[str]) -> datetime | None:
    clock, date, sign, hours, minutes = match.groups()
    day, month, year = date.split("/")
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset) if offset else UTC
        return datetime.fromisoformat(f"{year}-{month}-{day} {clock}").replace(tzinfo=zone)
    except ValueError:
        return None


def _search(pattern: re.Pattern[str], comment: str) -> str | None:
    match = pattern.search(comment)
    return match[1] if match else None
