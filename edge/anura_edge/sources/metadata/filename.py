"""Reads time and position from the file name of a recorder.

Patterns and special cases: the file-name cases of QutEcoacoustics/emu (test/Fixtures/FileNameParsingFixtures.csv), the
source of the AudioMoth firmware, and the SM3BAT manual, p. 54 (a `$` marks a clock set by GPS).
"""

import re
from datetime import UTC, datetime, timedelta

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_offset

_OFFSET = r"(?P<offset> Z | [+-](?:0\d|1[0-4])(?::?[0-5]\d)? (?!\d) )?"
_HALF = r"(?: [ _.]? (?P<half>[AaPp])\.?[Mm] (?![A-Za-z]) )?"
_CLOCK = r"(?P<clock>\d\d(?P<by>[-_:.])\d\d(?P=by)\d\d)"

_TIMES = tuple(
    re.compile(pattern, re.VERBOSE | re.ASCII)
    for pattern in (
        rf"""(?<!\d) (?P<date>(?:19|20)\d\d(?:\d\d|[ ]\d){{2}}) (?P<between>[_\-T$ ]?) (?P<time>\d{{6}})
        (?: (?:_(?=\d{{3}}(?!\d))|\.|(?=\d{{3}}[Z+-])) (?P<fraction>\d{{1,6}}) (?![\dA-Ya-z]) )? {_HALF} {_OFFSET}
        (?! [.\d]*[+-]\d | \d )  # with an unknown kind of offset the time would be wrong""",
        rf"""(?<!\d) (?P<spaced>(?:19|20)\d\d([-_.])\d\d\2\d\d)
        (?: [_T ] | -(?:[A-Za-z]+-)? ) (?: {_CLOCK} | (?P<time>\d{{6}}) )
        (?: [.,](?P<fraction>\d{{1,6}}) (?!\d) )? {_HALF} {_OFFSET} (?! [-+:.]?\d )""",
        rf"""(?<!\d) (?P<date>(?:19|20)\d{{6}}) [_\-T ] {_CLOCK}
        (?: [.,](?P<fraction>\d{{1,6}}) (?!\d) )? {_HALF} {_OFFSET} (?! [-+:.]?\d )""",
        r"^[A-Za-z]*\d+\.(?P<short>\d{6})(?P<time>\d{6})(?:\.|$)",  # SoundTrap: serial.yymmddHHMMSS
        r"(?<!\d)(?P<short>\d{6})[-_T ](?P<time>\d{6})(?!\d)",
        r"(?:^|_)(?P<short>\d{6})_(?P<time>(?!00)\d{4})(?:_|$)",  # from 00 on it may be a number: 230501_0001
        r"(?:^|_)(?P<time>\d{4})-(?P<backwards>\d{8})(?:_|$)",
    )
)
_UNIX_HEX = re.compile(r"[5-7][0-9A-F]{7}|00000000", re.IGNORECASE)
"""2012 to 2038, or a clock that was never set. `20180801` is a date."""

_TRIGGERED = re.compile(r"(?<!\d)\d{8}_\d{6}T$", re.ASCII)

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE_LIKE = re.compile(
    rf"""(?<![0-9a-f]) (?:19|20)\d\d [-_. ]?[01 ]\d [-_. ]?[0-3 ]\d (?![0-9a-f])
    | (?<!\d) (?:19|20)\d\d [-_]?[0-3]\d\d [-_T] \d{{4,6}} (?!\d)  # day of the year
    | (?<!\d) [0-3]?\d ([-_. ]) [0-3]?\d \1 (?:19|20)\d\d (?!\d)  # day or month first
    | (?<!\d) \d\d ([-_. ]) \d\d \2 \d\d [-_T ] \d\d ([-_:. ]) \d\d \3 \d\d (?!\d)
    | (?<!\d) \d\d? [-_. ]?{_MONTH}[-_., ]* (?:19|20)?\d\d (?!\d)
    | (?<![a-z]) {_MONTH}[-_. ]? \d\d? [-_., ]+ (?:19|20)\d\d (?!\d)
    | (?<!\d) (?:19|20)\d\d [-_. ]?{_MONTH}[-_. ]? \d\d? (?!\d)
    | (?<!\d) \d{{6}} [-_] (?:[01]\d|2[0-3])[0-5]\d (?!\d)
    | (?<!\d) 1\d{{9}}(?:\d{{3}})? (?!\d)  # seconds, or milliseconds, since 1970""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)

_POSITIONS = (
    re.compile(r"[\[_](-?\d{1,2}(?:\.\d+)?) (-?\d{1,3}(?:\.\d+)?)[\]_]", re.ASCII),
    re.compile(r"_([+-]\d{2}(?:\.\d+)?)([+-]\d{2,3}(?:\.\d+)?)(?:[+-]\d+(?:\.\d+)?)?(?:CRSWGS_84)?/?$", re.ASCII),
)
"""`[lat lon]` or `_lat lon_`, and ISO 6709 with or without an altitude."""


def parse_file_name(stem: str) -> TimeEvidence:
    """Return time and position from a file name without its extension. For an ambiguous name both are None.

    If it seems to contain a date or a time that is not understood, `unread_time` is true.
    """
    if _UNIX_HEX.fullmatch(stem):  # AudioMoth before 1.2: seconds since 1970
        return TimeEvidence(datetime.fromtimestamp(int(stem, 16), UTC), is_unix_time=True)
    start, gps_clock = _time(stem)
    unread_time = not start and bool(_DATE_LIKE.search(stem))
    return TimeEvidence(start, gps_clock, Metadata(position=_position(stem)), unread_time)


def is_triggered(stem: str) -> bool:
    """Return whether an AudioMoth with a trigger wrote the file: quiet parts may be missing in it."""
    return bool(_TRIGGERED.search(stem))


def recorder_prefix(stem: str) -> str:
    """Return the part of a name before the time, as `S4A03895` or `SM301297_0+1`: the recorder, or its site."""
    matches = [match for pattern in _TIMES if (match := pattern.search(stem))]
    return stem[: matches[0].start()].strip("_-. ") if matches else ""


def _time(stem: str) -> tuple[datetime | None, bool]:
    """Return the time in a name, and whether GPS set the clock."""
    for pattern in _TIMES:
        if match := pattern.search(stem):
            groups = match.groupdict()
            try:
                local = _local(_date(groups), _clock(groups))
                local += timedelta(seconds=float(f"0.{groups.get('fraction') or 0}"))
                return local.replace(tzinfo=parse_offset(groups.get("offset"))), groups.get("between") == "$"
            except (ValueError, OverflowError):  # digits that are no date, as in a serial number
                return None, False
    return None, False


def _date(groups: dict[str, str | None]) -> str:
    if backwards := groups.get("backwards"):
        return backwards[4:] + backwards[2:4] + backwards[:2]
    if date := groups.get("date") or groups.get("spaced"):
        return re.sub(r"[-_.]", "", date).replace(" ", "0")
    return f"20{groups['short']}"


def _clock(groups: dict[str, str | None]) -> str:
    """Return the digits of a time of day on a clock of 24 hours."""
    clock = re.sub(r"\D", "", groups.get("time") or groups.get("clock") or "")
    half, hour = (groups.get("half") or "").lower(), int(clock[:2])
    if not half or hour > 12:
        return clock
    return f"{hour % 12 + 12 * (half == 'p'):02}{clock[2:]}"


def _local(date: str, time: str) -> datetime:
    clock = time.ljust(6, "0")
    if clock.startswith("24"):  # some recorders write it for midnight of the next day
        return _local(date, "00" + clock[2:]) + timedelta(days=1)
    return datetime.strptime(date + clock, "%Y%m%d%H%M%S")


def _position(stem: str) -> Position | None:
    for pattern in _POSITIONS:
        if match := pattern.search(stem):
            return Position.on_earth(float(match[1]), float(match[2]))
    return None
