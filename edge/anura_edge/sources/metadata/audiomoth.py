"""Reads what an AudioMoth says: `CONFIG.TXT` on its card, and the comment in each recording.

The comment is a `LIST` chunk of kind `INFO`, in it an `ICMT` of sentences for people.

The sentences are those of AudioMoth-Firmware-Basic's src/main.c, 1.0.0 to 1.11.1. They are looked for one by one,
since each version has its own selection and order of them.
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
    """How an AudioMoth was set, in its own words; None where it does not say."""

    serial: str | None
    firmware: str | None
    time_zone: str | None
    """As in `UTC+10:30`."""
    rate_hz: str | None
    gain: str | None


def read_config(content: bytes) -> AudioMothConfig | None:
    """Read a CONFIG.TXT, lines of `Key : Value`; None if no AudioMoth wrote it."""
    pairs = (line.partition(" : ") for line in content.decode("latin-1").splitlines())
    said = {key.strip(): printable_text(value.strip()) for key, _, value in pairs}
    if "Device ID" not in said:
        return None
    wanted = ("Device ID", "Firmware", "Time zone", "Sample rate (Hz)", "Gain")
    return AudioMothConfig(*map(said.get, wanted))


def read_comment(chunk: bytes) -> TimeEvidence:
    """Return what a LIST chunk says, if an AudioMoth wrote it."""
    comment = _comment(chunk)
    if not (time := _TIME.search(comment)):
        return TimeEvidence()
    about = Metadata(
        model="AudioMoth",
        serial=_text(_SERIAL, comment),
        gain=_text(_GAIN, comment),
        battery_v=first_number(_text(_BATTERY, comment)),
        temperature_c=first_number(_text(_TEMPERATURE, comment)),
        stopped_by=printable_text(_text(_STOPPED, comment)),
    )
    return TimeEvidence(start=_start(time), about=about)


def _comment(chunk: bytes) -> str:
    """Return the ICMT of an INFO list."""
    at = 4 if chunk.startswith(b"INFO") else len(chunk)
    while at + 8 <= len(chunk):
        kind, length = struct.unpack_from("<4sI", chunk, at)
        if kind == b"ICMT":
            return chunk[at + 8 : at + 8 + length].decode("latin-1").strip("\0 ")
        at += 8 + length + length % 2
    return ""


def _start(time: re.Match[str]) -> datetime | None:
    clock, date, sign, hours, minutes = time.groups()
    day, month, year = date.split("/")
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset) if offset else UTC
        return datetime.fromisoformat(f"{year}-{month}-{day} {clock}").replace(tzinfo=zone)
    except ValueError:
        return None


def _text(pattern: re.Pattern[str], comment: str) -> str | None:
    match = pattern.search(comment)
    return match[1] if match else None
