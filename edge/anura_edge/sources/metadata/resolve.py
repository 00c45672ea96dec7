"""What a recorder says about a recording, and when it began: several witnesses, who may disagree.

Each reader (`names`, `guano`, `wamd`, `audiomoth`) returns one Witness; `resolve_start` weighs their times.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from anura_edge.audio import ClockSource

FILE_NAME = "the name"
"""The witness that a file's name is."""

HOUR = timedelta(hours=1)
TOLERANCE = timedelta(seconds=2)
"""Times this close agree: FAT keeps even seconds, and recorders round."""

UNSET_BEFORE = datetime(2001, 1, 1)
"""Recorders whose clock nobody set begin at 1970, 1980 or 2000; no recorder of these kinds is as old."""

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Position:
    """Degrees, WGS 84; north and east are positive."""

    latitude: float
    longitude: float

    @classmethod
    def on_earth(cls, latitude: float | None, longitude: float | None) -> "Position | None":
        """Make a position, unless it is not on Earth, or the 0, 0 of a recorder that has none."""
        if latitude is None or longitude is None or not (latitude or longitude):
            return None
        return cls(latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a recorder says about itself and a recording; None where it does not say."""

    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    gain: str | None = None
    """In the recorder's own words: their scales differ."""
    battery_v: float | None = None
    temperature_c: float | None = None
    position: Position | None = None
    stopped_by: str | None = None
    """Why the recording ended early, in the recorder's own words."""

    @classmethod
    def of(cls, layers: Iterable["Metadata"]) -> "Metadata":
        """Take each fact from the first layer that knows it."""
        facts: dict[str, Any] = {}
        for layer in layers:
            known = {fact.name: getattr(layer, fact.name) for fact in fields(layer)}
            facts = {name: value for name, value in known.items() if value is not None} | facts
        return cls(**facts)


@dataclass(frozen=True, slots=True)
class TimeEvidence:
    """What a name, or one part of a header, says about a recording."""

    start: datetime | None = None
    """Time of the first sample: with an offset from UTC if one was given, else the recorder's local time."""
    gps_clock: bool = False
    """The clock was set by GPS."""
    about: Metadata = field(default_factory=Metadata)


@dataclass(frozen=True, slots=True)
class ResolvedStart:
    """When a recording began, and how that is known."""

    start_utc: datetime
    clock_source: ClockSource
    warnings: tuple[str, ...] = ()
    """Where the witnesses disagree, and whom we believed."""


def resolve_start(said: Mapping[str, TimeEvidence], zone: timezone | None, mtime: datetime) -> ResolvedStart:
    """Weigh what a file's NAME and the parts of its header, each by its own name, say about its time.

    Believed in this order: a clock set by GPS, a header with an offset from UTC, the name, a header without an offset,
    the file's own time. A local time takes its offset from another witness, or else from the site (`zone`); without
    either it is read as UTC and marked unknown. Nothing is decided silently: each disagreement is a warning.
    """
    times = {who: witness for who, witness in said.items() if witness.start}
    if not times:
        return ResolvedStart(mtime, ClockSource.FILE)
    ranked = sorted(times, key=lambda who: _rank(who, times[who]))
    offsets = [offset for who in ranked if (offset := _offset_of(times[who]))]
    if _is_an_hour_off(times.get(ranked[0]), times.get(FILE_NAME)):
        ranked.sort(key=lambda who: who != FILE_NAME)
    believed = ranked[0]
    start, gps_clock = times[believed].start or mtime, times[believed].gps_clock
    warnings = [
        f"{believed} says {start}, {who} says {times[who].start}: {believed} is believed"
        for who in ranked[1:]
        if abs(_apart(start, times[who].start or start)) > TOLERANCE
    ]
    if offsets and zone and offsets[0] not in (UTC, zone):  # UTC is no statement about the site
        warnings.append(f"the recording says {offsets[0]}, the settings say {zone}: the recording is believed")
    offset = _offset_of(times[believed]) or next(iter(offsets), zone)
    source = ClockSource.GPS if gps_clock else ClockSource.RECORDER
    if start.replace(tzinfo=None) < UNSET_BEFORE:
        warnings.append(f"{believed} says {start}: nobody set the recorder's clock")
        source = ClockSource.UNKNOWN
    return ResolvedStart(
        _to_utc(start.replace(tzinfo=offset or UTC)), source if offset else ClockSource.UNKNOWN, tuple(warnings)
    )


def parse_time(text: str) -> datetime | None:
    """Read `YYYY-MM-DD hh:mm:ss`, with `T` or a blank, a fraction and an offset where they are given."""
    if not (match := _TIMESTAMP.search(text)):
        return None
    date, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date} {clock}") + timedelta(seconds=float(f"0.{fraction or 0}"))
        return moment.replace(tzinfo=parse_offset(offset))
    except (ValueError, OverflowError):
        return None


def parse_offset(text: str | None) -> timezone | None:
    """Read `Z`, `+hh`, `+hhmm` or `+hh:mm`.

    Raises ValueError for a day or more.
    """
    if not text:
        return None
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def _rank(who: str, witness: TimeEvidence) -> int:
    if witness.gps_clock:
        return 0
    if who == FILE_NAME:
        return 2
    return 1 if _offset_of(witness) else 3


def _is_an_hour_off(header: TimeEvidence | None, name: TimeEvidence | None) -> bool:
    """AudioMoth firmware 1.2.2 errs by an hour in its header where the zone has minutes; the name is right (OAD004)."""
    if not (header and header.about.model == "AudioMoth" and header.start and name and name.start):
        return False
    offset = header.start.utcoffset() or timedelta(0)
    return offset % HOUR != timedelta(0) and abs(_apart(name.start, header.start)) == HOUR


def _apart(one: datetime, other: datetime) -> timedelta:
    """Compare as UTC where both know it, else as the recorder's local time."""
    if one.tzinfo and other.tzinfo:
        return one - other
    return one.replace(tzinfo=None) - other.replace(tzinfo=None)


def _offset_of(witness: TimeEvidence) -> timezone | None:
    zone = witness.start.tzinfo if witness.start else None
    return zone if isinstance(zone, timezone) else None


def _to_utc(moment: datetime) -> datetime:
    """Years 1 and 9999 have hours that UTC has not."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)
