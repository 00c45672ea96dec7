"""Bins of time: nights, hours of the local clock and hours since sunset. Effort is split at their edges."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from anura_edge.events import EffortState
from anura_edge.nights import SLOT_S, Night, Place, night, night_date, slot
from anura_edge.results.rows import SiteEffort

SAMPLED = frozenset({EffortState.ANALYSED})
"""Only this effort counts: in other states a call would not have been found."""

_HOUR = timedelta(hours=1)


class Bin(NamedTuple):
    """A bin of time of one site."""

    night: date
    hour: int | None
    """Hour of the local clock, 0 to 23, or hours since sunset. None for a whole night."""


BinAt = Callable[[Place, datetime], tuple[Bin | None, datetime]]
"""Returns the bin that contains a moment, None if there is none, and a moment up to which that holds, in UTC."""


def night_at(place: Place, moment: datetime) -> Night:
    """Return the night that contains a moment."""
    return night(place, night_date(moment, place))


def night_bin(place: Place, moment: datetime) -> tuple[Bin | None, datetime]:
    """Bins of one night, from noon to noon in the zone of the site."""
    found = night_at(place, moment)
    return Bin(found.evening, None), found.end_utc


def clock_bin(place: Place, moment: datetime) -> tuple[Bin | None, datetime]:
    """Bins of one hour of the local clock. When the clock is set back, an hour has two parts and is one bin.

    The moment returned is the end of a quarter of an hour, because a clock is set at any such moment.
    """
    local = moment.astimezone(ZoneInfo(place.zone))
    return Bin(night_date(moment, place), local.hour), datetime.fromtimestamp((slot(moment) + 1) * SLOT_S, UTC)


def sunset_bin(place: Place, moment: datetime) -> tuple[Bin | None, datetime]:
    """Bins of one hour from the sunset of the night. Without a sunset, as in polar summer, there is no bin."""
    found = night_at(place, moment)
    if found.sunset_utc is None:
        return None, found.end_utc
    hour = (moment - found.sunset_utc) // _HOUR
    return Bin(found.evening, hour), min(found.sunset_utc + (hour + 1) * _HOUR, found.end_utc)


def effort_h(spans: Iterable[SiteEffort], places: Mapping[str, Place], bin_at: BinAt) -> dict[tuple[str, Bin], float]:
    """Return the hours of audio that were analysed, by site and bin. The hours of several devices add up."""
    hours: defaultdict[tuple[str, Bin], float] = defaultdict(float)
    for span in spans:
        if span.state not in SAMPLED:
            continue
        at, place = span.start_utc, places[span.owner.site]
        while at < span.end_utc:
            found, end = bin_at(place, at)
            if found:
                hours[span.owner.site, found] += (min(end, span.end_utc) - at) / _HOUR
            at = end
    return dict(hours)
