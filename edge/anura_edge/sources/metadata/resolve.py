"""Decides when a recording began, from several sources that may disagree: file name, header chunks, file time.

Each reader (`filename`, `guano`, `wamd`, `audiomoth`) returns one TimeEvidence; `resolve_start` compares their times.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from anura_edge.audio import ClockSource
from anura_edge.clocks.sample_clock import FIRST_RELEASE

FILE_NAME = "the name"
"""Key of the evidence from the file name."""

HOUR = timedelta(hours=1)
TOLERANCE = timedelta(seconds=2)
"""Times this close agree: FAT stores even seconds, and recorders round."""

UNSET_BEFORE = datetime(2001, 1, 1)
"""A recorder's clock that was never set starts at 1970, 1980 or 2000. No such recorder was built before 2001."""

FUTURE = timedelta(days=1)
"""A recording cannot begin later than this from now, in any time zone."""

UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
"""Start of a recording that no source dates."""

_USABLE = (datetime(1950, 1, 2), datetime(2199, 1, 1))
"""Other times are damage. These are within the bounds of the wire format in any time zone."""

_TIMESTAMP = re.compile(
    r"(?<![\d-])(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?\s*(Z|[+-]\d\d(?::?\d\d)?)?"
    r"(?![\d:+-]|\s*[AaPp]\.?[Mm])",  # never a part of a time
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Position:
    """Degrees, WGS 84. North and east are positive."""

    latitude: float
    longitude: float

    @classmethod
    def on_earth(cls, latitude: float | None, longitude: float | None) -> "Position | None":
        """Return a position. None if it is not on Earth, or if it is 0, 0, which recorders without GPS write."""
        if latitude is None or longitude is None or not (latitude or longitude):
            return None
        return cls(latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a recorder reports about itself and a recording. None if it does not report it."""

    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    gain: str | None = None
    """In the recorder's own words, because scales differ."""
    battery_v: float | None = None
    temperature_c: float | None = None
    position: Position | None = None
    stopped_by: str | None = None
    """Why the recording ended early, in the recorder's own words."""
    time_expansion: float | None = None
    """How many times as long as the sound the recording is: some bat recorders store ultrasound slowed down."""

    @classmethod
    def merge(cls, layers: Iterable["Metadata"]) -> "Metadata":
        """Take each fact from the first layer that contains it."""
        facts: dict[str, Any] = {}
        for layer in layers:
            values = {fact.name: getattr(layer, fact.name) for fact in fields(layer)}
            facts = {name: value for name, value in values.items() if value is not None} | facts
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class TimeEvidence:
    """Time and metadata of a recording from one source: its file name, or one chunk of its header."""

    start: datetime | None = None
    """Time of the first sample: with an offset from UTC if there is one, else the recorder's local time."""
    gps_clock: bool = False
    """GPS set the clock."""
    metadata: Metadata = field(default_factory=Metadata)
    unread_time: bool = False
    """It seems to contain a time, in a form that is not understood."""
    is_unix_time: bool = False
    """The time is in seconds since 1970, so it is UTC, whatever zone the recorder is set to."""


@dataclass(frozen=True, slots=True)
class ResolvedStart:
    """When a recording began, and how that is known."""

    start_utc: datetime
    clock_source: ClockSource
    warnings: tuple[str, ...] = ()
    """Which sources disagree, and which one was used."""


def resolve_start(
    evidence: Mapping[str, TimeEvidence], site_offset: timezone | None, mtime: datetime | None
) -> ResolvedStart:
    """Decide when a recording began. `evidence` is by source: FILE_NAME, or the name of a header chunk.

    `mtime` is the file's modification time, None if there is none.

    Trusted in this order: a clock set by GPS, a header with an offset from UTC, the file name, a header without an
    offset, the file's modification time. A local time takes its offset from another source, or else from the settings
    (`site_offset`). Without either, it is read as UTC and its clock source is unknown. Each disagreement is a warning.
    """
    timed = {source: each for source, each in evidence.items() if each.start and _is_usable(each.start)}
    if not timed:
        return _from_file_time(mtime, [source for source, each in evidence.items() if each.unread_time])
    ranked = sorted(timed, key=lambda source: _rank(source, timed[source]))
    offsets = [offset for source in ranked if (offset := _offset_of(timed[source]))]
    if _is_audiomoth_hour_error(timed.get(ranked[0]), timed.get(FILE_NAME)):
        ranked.sort(key=lambda source: source != FILE_NAME)
    best = ranked[0]
    start, gps_clock = timed[best].start or UNKNOWN_START, timed[best].gps_clock
    warnings = _disagreements(timed, ranked, start)
    stated = _stated_offset(timed, ranked)
    if site_offset and stated not in (None, site_offset):
        warnings.append(f"the recording says {stated}, the settings say {site_offset}: the recording is used")
    offset = _offset_of(timed[best]) or next(iter(offsets), site_offset)
    clock_source = ClockSource.GPS if gps_clock else ClockSource.RECORDER
    if start.replace(tzinfo=None) < UNSET_BEFORE:
        warnings.append(f"{best} says {start}: the recorder's clock was never set")
        clock_source = ClockSource.UNKNOWN
    start_utc = start.replace(tzinfo=offset or UTC).astimezone(UTC)
    return ResolvedStart(start_utc, clock_source if offset else ClockSource.UNKNOWN, tuple(warnings))


def doubt_future(start: ResolvedStart, now: datetime) -> ResolvedStart:
    """Return the start with an unknown clock if it is still to come. A machine that was never set cannot know that."""
    if now.timestamp() < FIRST_RELEASE or start.start_utc <= now + FUTURE:
        return start
    warning = f"its time is {start.start_utc:%Y-%m-%d %H:%M} UTC, which is still to come: the clock is wrong"
    return replace(start, clock_source=ClockSource.UNKNOWN, warnings=(*start.warnings, warning))


def _from_file_time(mtime: datetime | None, unread: list[str]) -> ResolvedStart:
    """Return the start of a recording without a time in its name and its header that can be used.

    `unread` are the sources with a time that is not understood. The time of the file, which may be that of a copy, is
    not taken as known against them.
    """
    if not (mtime and _is_usable(mtime)):
        warning = f"no time in its name and header, and its file time is damaged: {UNKNOWN_START:%Y-%m-%d} is used"
        return ResolvedStart(UNKNOWN_START, ClockSource.UNKNOWN, (warning,))
    if mtime.replace(tzinfo=None) < UNSET_BEFORE:
        warning = f"no time in its name and header, and its file time is {mtime:%Y-%m-%d}: the clock was never set"
        return ResolvedStart(mtime, ClockSource.UNKNOWN, (warning,))
    if unread:
        warning = f"{' and '.join(unread)} seems to contain a time that is not understood: the clock is unknown"
        return ResolvedStart(mtime, ClockSource.UNKNOWN, (warning,))
    return ResolvedStart(mtime, ClockSource.FILE)


def parse_time(text: str) -> datetime | None:
    """Read `YYYY-MM-DD hh:mm:ss`, with `T` or a blank, and with a fraction and an offset if they exist."""
    if not (match := _TIMESTAMP.search(text)):
        return None
    date, clock, fraction, offset = match.groups()
    try:
        time = datetime.fromisoformat(f"{date} {clock}") + timedelta(seconds=float(f"0.{fraction or 0}"))
        return time.replace(tzinfo=parse_offset(offset))
    except (ValueError, OverflowError):
        return None


def parse_offset(text: str | None) -> timezone | None:
    """Read `Z`, `+hh`, `+hhmm` or `+hh:mm`. In `-00:00` the offset is not known (RFC 3339, section 4.3).

    Raises ValueError for an offset of a day or more.
    """
    if not text or not text.strip("-0:"):
        return None
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def _disagreements(timed: Mapping[str, TimeEvidence], ranked: list[str], start: datetime) -> list[str]:
    best = ranked[0]
    return [
        f"{best} says {start}, {source} says {timed[source].start}: {best} is used"
        for source in ranked[1:]
        if abs(_difference(start, timed[source].start or start)) > TOLERANCE
    ]


def _stated_offset(timed: Mapping[str, TimeEvidence], ranked: list[str]) -> timezone | None:
    """Return the offset of the best source that states one. Unix time does not."""
    stated = (_offset_of(timed[source]) for source in ranked if not timed[source].is_unix_time)
    return next((offset for offset in stated if offset is not None), None)


def _rank(source: str, evidence: TimeEvidence) -> int:
    if evidence.gps_clock:
        return 0
    if source == FILE_NAME:
        return 2
    return 1 if _offset_of(evidence) else 3


def _is_audiomoth_hour_error(header: TimeEvidence | None, name: TimeEvidence | None) -> bool:
    """Return whether the header is wrong by one hour and the name is right.

    AudioMoth firmware 1.2.2 has this error (OAD004) if the UTC offset has minutes.
    """
    if not (header and header.metadata.model == "AudioMoth" and header.start and name and name.start):
        return False
    offset = header.start.utcoffset() or timedelta(0)
    return offset % HOUR != timedelta(0) and abs(_difference(name.start, header.start)) == HOUR


def _difference(one: datetime, other: datetime) -> timedelta:
    """Return the difference in UTC if both have an offset, else in local time."""
    if one.tzinfo and other.tzinfo:
        return one - other
    return one.replace(tzinfo=None) - other.replace(tzinfo=None)


def _offset_of(evidence: TimeEvidence) -> timezone | None:
    offset = evidence.start.tzinfo if evidence.start else None
    return offset if isinstance(offset, timezone) else None


def _is_usable(time: datetime) -> bool:
    return _USABLE[0] <= time.replace(tzinfo=None) < _USABLE[1]
