"""Reads time and position from the file name of a recorder.

Patterns and special cases: the file-name cases of QutEcoacoustics/emu (test/Fixtures/FileNameParsingFixtures.csv), the
source of the AudioMoth firmware, and the SM3BAT manual, p. 54 (a `$` marks a clock set by GPS).
"""

import re
from datetime import UTC, datetime, timedelta

from anura_edge.sources.metadata.resolve import Metadata, Position, TimeEvidence, parse_offset

_TIMES = (
    re.compile(
        r"""(?<!\d) (?P<date>(?:19|20)\d\d(?:\d\d|[ ]\d){2}) (?P<between>[_\-T$]?) (?P<time>\d{6})
        (?: (?:_(?=\d{3}(?!\d))|\.|(?=\d{3}[Z+-])) (?P<fraction>\d{1,6}) (?![\dA-Ya-z]) )?
        (?P<offset> Z | [+-](?:0\d|1[0-4])(?::?[0-5]\d)? (?!\d) )?
        (?! [.\d]*[+-]\d | \d )  # with an unknown kind of offset the time would be wrong""",
        re.VERBOSE | re.ASCII,
    ),
    re.compile(
        r"""(?<!\d) (?P<spaced>(?:19|20)\d\d([-_.])\d\d\2\d\d) (?: [_T ] | -(?:[A-Za-z]+-)? )
        (?P<clock>\d\d([-_:.]?)\d\d\4\d\d) (?: \.(?P<fraction>\d{1,6}) (?!\d) )?
        (?P<offset> Z | [+-](?:0\d|1[0-4]):?[0-5]\d (?!\d) )? (?! [-+:.]?\d )""",
        re.VERBOSE | re.ASCII,
    ),
    re.compile(r"^\d+\.(?P<short>\d{6})(?P<time>\d{6})$", re.ASCII),  # SoundTrap: serial.yymmddHHMMSS
    re.compile(r"(?:^|_)(?P<short>\d{6})_(?P<time>\d{4}(?:\d\d)?)(?:_|$)", re.ASCII),
    re.compile(r"(?:^|_)(?P<time>\d{4})-(?P<backwards>\d{8})(?:_|$)", re.ASCII),
)
_UNIX_HEX = re.compile(r"[5-7][0-9A-F]{7}|00000000", re.IGNORECASE)
"""2012 to 2038, or a clock that was never set. `20180801` is a date."""

_TRIGGERED = re.compile(r"(?<!\d)\d{8}_\d{6}T$", re.ASCII)

_DATE_LIKE = re.compile(r"(?<![0-9A-Fa-f])(?:19|20)\d\d[-_. ]?[01 ]\d[-_. ]?[0-3 ]\d(?![0-9A-Fa-f])", re.ASCII)

_POSITIONS = (
    re.compile(r"[\[_](-?\d{1,2}(?:\.\d+)?) (-?\d{1,3}(?:\.\d+)?)[\]_]", re.ASCII),
    re.compile(r"_([+-]\d{2}(?:\.\d+)?)([+-]\d{2,3}(?:\.\d+)?)(?:[+-]\d+(?:\.\d+)?)?(?:CRSWGS_84)?/?$", re.ASCII),
)
"""`[lat lon]` or `_lat lon_`, and ISO 6709 with or without an altitude."""


def parse_file_name(stem: str) -> TimeEvidence:
    """Return time and position from a file name without its extension. For an ambiguous name both are None."""
    if _UNIX_HEX.fullmatch(stem):  # AudioMoth before 1.2: seconds since 1970
        return TimeEvidence(start=datetime.fromtimestamp(int(stem, 16), UTC))
    start, gps_clock = _time(stem)
    return TimeEvidence(start, gps_clock, Metadata(position=_position(stem)))


def has_unread_time(stem: str) -> bool:
    """Return whether a name seems to contain a date or a time that `parse_file_name` does not understand."""
    return bool(_DATE_LIKE.search(stem)) and parse_file_name(stem).start is None


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
    return re.sub(r"\D", "", groups.get("time") or groups.get("clock") or "")


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
