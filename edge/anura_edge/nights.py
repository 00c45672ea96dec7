"""Nights of a site, from noon to noon in its time zone, with sunset and sunrise.

Time is counted in slots: quarters of an hour since 1970 in UTC. Every UTC offset in use today is a multiple of a
quarter of an hour, so a night begins and ends at the edge of a slot.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from astral import Observer
from astral.sun import sunrise, sunset

from anura_edge.events import night_of_local_time

SLOT_S = 900

SLOTS_PER_HOUR = 3_600 // SLOT_S


class Place(Protocol):
    """Where and in which time zone a site is."""

    @property
    def zone(self) -> str:
        """Name of the time zone, as in America/Sao_Paulo."""

    @property
    def latitude_deg(self) -> float | None:
        """Latitude, north is positive. None if it is unknown."""

    @property
    def longitude_deg(self) -> float | None:
        """Longitude, east is positive. None if it is unknown."""


@dataclass(frozen=True, slots=True)
class Night:
    """From one local noon to the next: 24 hours, or 23 or 25 when daylight saving time begins or ends."""

    evening: date
    """The local date of its first noon, which identifies the night."""
    begin_utc: datetime
    end_utc: datetime
    sunset_utc: datetime | None
    """None if the site has no position, or if the sun does not set."""
    sunrise_utc: datetime | None

    @property
    def first_slot(self) -> int:
        """Its first slot."""
        return slot(self.begin_utc)

    @property
    def end_slot(self) -> int:
        """The first slot of the next night."""
        return slot(self.end_utc)

    @property
    def sunset_slot(self) -> int | None:
        """The slot whose begin is nearest to sunset; None without a sunset."""
        return None if self.sunset_utc is None else slot(self.sunset_utc + timedelta(seconds=SLOT_S / 2))


def slot(moment: datetime) -> int:
    """Return the slot that contains a moment."""
    return int(moment.timestamp() // SLOT_S)


def night_date(moment: datetime, site: Place) -> date:
    """Return the date of the night of a site that contains a moment."""
    return night_of_local_time(moment.astimezone(ZoneInfo(site.zone)))


def nights(site: Place, first: date, last: date) -> Iterator[Night]:
    """Yield the nights of a site from one date to another, both included."""
    for day in range((last - first).days + 1):
        yield night(site, first + timedelta(days=day))


def night(site: Place, evening: date) -> Night:
    """Return the night of a site that begins at noon of a date.

    Raises OverflowError when the night is outside the calendar.
    """
    return _night(site.latitude_deg, site.longitude_deg, site.zone, evening)


# Sunset and sunrise take a quarter of a millisecond to compute, and each page needs some hundred of the same nights.
@lru_cache(maxsize=20_000)
def _night(latitude_deg: float | None, longitude_deg: float | None, zone: str, evening: date) -> Night:
    begin, end = _noon(evening, zone), _noon(evening + timedelta(days=1), zone)
    if latitude_deg is None or longitude_deg is None:
        return Night(evening, begin, end, None, None)
    observer = Observer(latitude_deg, longitude_deg)
    return Night(evening, begin, end, _sun_time(sunset, observer, begin, end), _sun_time(sunrise, observer, begin, end))


def _noon(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC)


def _sun_time(compute: Callable[..., datetime], observer: Observer, begin: datetime, end: datetime) -> datetime | None:
    """Return the sunset or sunrise between two moments, None if there is none; `compute` is astral's function."""
    # For a date in UTC, astral returns a moment near that date, which far from Greenwich is in a neighbouring night.
    for day in (begin.date(), end.date(), begin.date() - timedelta(days=1)):
        try:
            moment = compute(observer, date=day, tzinfo=UTC)
        except ValueError:  # the sun stays above or below the horizon on that day
            continue
        if begin <= moment < end:
            return moment
    return None


def split_at_clock_changes(night: Night, zone: str) -> list[tuple[int, int, int]]:
    """Split a night where daylight saving time begins or ends: first slot, end slot, and the slot of local noon.

    `(slot - noon) / SLOTS_PER_HOUR` is the time since noon on a local clock, in hours.
    """
    first, end = night.first_slot, night.end_slot
    if _noon_slot(night, zone, first) == _noon_slot(night, zone, end - 1):
        return [(first, end, first)]
    parts: list[tuple[int, int, int]] = []
    for number in range(first, end):
        noon = _noon_slot(night, zone, number)
        if parts and parts[-1][2] == noon:
            parts[-1] = (parts[-1][0], number + 1, noon)
        else:
            parts.append((number, number + 1, noon))
    return parts


def _noon_slot(night: Night, zone: str, number: int) -> int:
    local = datetime.fromtimestamp(number * SLOT_S, ZoneInfo(zone)).replace(tzinfo=None)
    return number - int((local - datetime.combine(night.evening, time(12))).total_seconds() // SLOT_S)
