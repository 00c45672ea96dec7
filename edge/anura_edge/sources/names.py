"""Reads the time out of a recorder's file name.

Patterns and their pitfalls: the file-name cases of QutEcoacoustics/emu (test/Fixtures/FileNameParsingFixtures.csv),
the AudioMoth firmware's source, and the SM3BAT manual, p. 54 (a `$` marks a clock set by GPS).
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from anura_edge.audio import ClockSource

_DATE_TIME = re.compile(
    r"""(?<!\d) (?P<date>(?:19|20)\d{6}) (?P<between>[_\-T$]) (?P<time>\d{6})
        (?: (?:_(?=\d{3}(?!\d))|\.) (?P<fraction>\d{1,6}) (?![\dA-Ya-z]) )?
        (?P<offset> Z | [+-](?:0\d|1[0-4])(?::?[0-5]\d)? (?!\d) )?
        (?! [.\d]*[+-]\d | \d )  # an offset that we do not understand would make the time wrong""",
    re.VERBOSE | re.ASCII,
)
_UNIX_HEX = re.compile(r"[5-7][0-9A-F]{7}", re.IGNORECASE)
"""2012 to 2038: `20180801` is a date, and `00000000` a clock that was never set."""


@dataclass(frozen=True, slots=True)
class NamedTime:
    """A time found in a file name."""

    start_utc: datetime
    clock_source: ClockSource


def time_in_name(stem: str, zone: timezone | None) -> NamedTime | None:
    """Return the time that a file name (without its extension) gives, or None.

    `zone` is the recorder's offset from UTC, for names that do not say it; without either the time is read as UTC and
    marked unknown, never guessed.
    """
    if _UNIX_HEX.fullmatch(stem):  # AudioMoth before 1.2: seconds since 1970
        return NamedTime(datetime.fromtimestamp(int(stem, 16), UTC), ClockSource.RECORDER)
    if not (match := _DATE_TIME.search(stem)):
        return None
    try:
        local = _local(match["date"], match["time"]) + timedelta(seconds=float(f"0.{match['fraction'] or 0}"))
    except ValueError:  # digits that are no date, as in a serial number
        return None
    known = _offset(match["offset"]) or zone
    source = ClockSource.GPS if match["between"] == "$" else ClockSource.RECORDER
    return NamedTime(local.replace(tzinfo=known or UTC).astimezone(UTC), source if known else ClockSource.UNKNOWN)


def _local(date: str, time: str) -> datetime:
    if time.startswith("24"):  # occurs, and means midnight of the next day
        return _local(date, "00" + time[2:]) + timedelta(days=1)
    return datetime.strptime(date + time, "%Y%m%d%H%M%S")


def _offset(text: str | None) -> timezone | None:
    if not text:
        return None
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
