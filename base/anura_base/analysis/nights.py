"""Nights of a site, from noon to noon by its own clock, and when the sun sets and rises in them.

Time is counted in slots: quarters of an hour since 1970 in UTC. Every zone's offset of today is a whole number of them,
so a night begins and ends with a slot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from astral import Observer
from astral.sun import sunrise, sunset

from anura_base.config.settings import Site

SLOT_S = 900

SLOTS_PER_HOUR = 3_600 // SLOT_S


@dataclass(frozen=True, slots=True)
class Night:
    """From one local noon to the next: 24 hours, or 23 or 25 where the clocks are changed."""

    evening: date
    """The local date of its evening, which is its name."""
    begin_utc: datetime
    end_utc: datetime
    sunset_utc: datetime | None
    """None where the site's place is not known, and where the sun does not set."""
    sunrise_utc: datetime | None

    @property
    def first_slot(self) -> int:
        """The slot that it begins with."""
        return slot(self.begin_utc)

    @property
    def end_slot(self) -> int:
        """The slot that the next night begins with."""
        return slot(self.end_utc)

    @property
    def sunset_slot(self) -> int | None:
        """The slot whose begin is nearest to the sunset."""
        return None if self.sunset_utc is None else slot(self.sunset_utc + timedelta(seconds=SLOT_S / 2))


def slot(moment: datetime) -> int:
    """Return the slot that a moment lies in."""
    return int(moment.timestamp() // SLOT_S)


def night_date(moment: datetime, site: Site) -> date:
    """Return the name of the night that a moment lies in."""
    return (moment.astimezone(ZoneInfo(site.zone)).replace(tzinfo=None) - timedelta(hours=12)).date()


def nights(site: Site, first: date, last: date) -> Iterator[Night]:
    """Return the nights of a site from one evening to another, both included."""
    for day in range((last - first).days + 1):
        yield night(site, first + timedelta(days=day))


def night(site: Site, evening: date) -> Night:
    """Return the night of a site that begins at noon of a date."""
    return _night(site.latitude_deg, site.longitude_deg, site.zone, evening)


# The sun's times take a quarter of a millisecond to compute, and each page asks for some hundred of the same.
@lru_cache(maxsize=20_000)
def _night(latitude_deg: float | None, longitude_deg: float | None, zone: str, evening: date) -> Night:
    begin, end = _noon(evening, zone), _noon(evening + timedelta(days=1), zone)
    if latitude_deg is None or longitude_deg is None:
        return Night(evening, begin, end, None, None)
    place = Observer(latitude_deg, longitude_deg)
    set_, rise = (_sun("sunset", place, begin, end), _sun("sunrise", place, begin, end))
    return Night(evening, begin, end, set_, rise)


def _noon(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(12), ZoneInfo(zone)).astimezone(UTC)


def _sun(what: Literal["sunset", "sunrise"], place: Observer, begin: datetime, end: datetime) -> datetime | None:
    ask = sunset if what == "sunset" else sunrise
    # Asked for a date in UTC, astral answers with a moment near it, which far from Greenwich lies in a neighbour's.
    for day in (begin.date(), end.date(), begin.date() - timedelta(days=1)):
        try:
            moment = ask(place, date=day, tzinfo=UTC)
        except ValueError:  # the sun stays above or below the horizon on that day
            continue
        if begin <= moment < end:
            return moment
    return None


def split_at_clock_changes(night: Night, zone: str) -> list[tuple[int, int, int]]:
    """Return the parts of a night between changes of the clock: first slot, end slot, and the slot of its local noon.

    `(slot - noon) / SLOTS_PER_HOUR` is then the time since noon as a clock on the wall shows it.
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
