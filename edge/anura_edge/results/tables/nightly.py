"""What each species did in each night: bouts, minutes with calls, first and last call, and a calling index."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from anura_edge.nights import Place, night
from anura_edge.results.rows import Bout, RowFilter, SiteEffort
from anura_edge.results.tables.bins import effort_h, night_at, night_bin

MINUTE_S = 60

_INDEX_FROM_S = ((3, 55.0), (2, 20.0), (1, 0.0))
"""Calling index of a minute, and the seconds of bouts that it needs. These limits are ours; see `calling_index`."""


@dataclass(slots=True)
class _Activity:
    """Bouts of one species in one night of a site."""

    bouts: int = 0
    first_utc: datetime | None = None
    last_utc: datetime | None = None
    seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    """Seconds with calls, by device and minute since 1970."""

    def add(self, bout: Bout) -> None:
        self.bouts += 1
        self.first_utc = min(self.first_utc or bout.start_utc, bout.start_utc)
        self.last_utc = max(self.last_utc or bout.start_utc, bout.start_utc)
        for minute, seconds in seconds_by_minute(bout.start_utc, bout.end_utc):
            key = bout.owner.device, minute
            self.seconds[key] = self.seconds.get(key, 0.0) + seconds


@dataclass(frozen=True, slots=True)
class SpeciesNight:
    """One species in one night at one site. A night without effort has no row."""

    site: str
    night: date
    species: str
    effort_h: float
    """Hours analysed."""
    bouts: int
    minutes_with_calls: int
    first_call_utc: datetime | None
    last_call_utc: datetime | None
    """Onsets of the first and of the last bout."""
    first_call_t2ss_min: float | None
    last_call_t2ss_min: float | None
    """Minutes from sunset to these; negative before sunset. None without a call or a sunset."""
    calling_index: int
    """0 to 3, made from the bouts: a proxy of the index that people give by ear."""
    sunset_utc: datetime | None


def seconds_by_minute(start_utc: datetime, end_utc: datetime) -> Iterator[tuple[int, float]]:
    """Yield each minute since 1970 that a span touches, and how many seconds of it are in the span."""
    at, end = start_utc.timestamp(), end_utc.timestamp()
    while True:
        minute = int(at // MINUTE_S)
        stop = min(end, (minute + 1) * MINUTE_S)
        yield minute, max(stop - at, 0.0)
        at = stop
        if at >= end:
            return


def calling_index(seconds_of_minute: float) -> int:
    """Return a proxy of the calling index of a minute from the seconds of it that bouts fill.

    People give 1 for calls with pauses between them, 2 for calls that overlap now and then, and 3 for a full chorus
    without a pause (North American Amphibian Monitoring Program). A model does not count frogs, so the share of the
    minute with calls stands for that. No study has compared it with people's indices.
    """
    return next((index for index, from_s in _INDEX_FROM_S if seconds_of_minute >= from_s), 1)


def nightly_table(
    bouts: Iterable[Bout], spans: Iterable[SiteEffort], places: Mapping[str, Place], row_filter: RowFilter
) -> list[SpeciesNight]:
    """Return a row for each site, night with effort and species, also for nights without a call.

    A bout belongs to the night in which it begins.
    """
    hours = {
        (site, found.night): total
        for (site, found), total in effort_h(spans, places, night_bin).items()
        if row_filter.has_night(found.night) and total > 0
    }
    activity: dict[str, dict[tuple[str, date], _Activity]] = {}
    for bout in bouts:
        site = bout.owner.site
        key = site, night_at(places[site], bout.start_utc).evening
        activity.setdefault(bout.name, {}).setdefault(key, _Activity()).add(bout)
    return [
        _row(key, species, total, activity[species].get(key, _Activity()), places[key[0]])
        for key, total in sorted(hours.items())
        for species in sorted(activity)
    ]


def _row(key: tuple[str, date], species: str, total_h: float, found: _Activity, place: Place) -> SpeciesNight:
    sunset_utc = night(place, key[1]).sunset_utc
    return SpeciesNight(
        *key,
        species,
        total_h,
        found.bouts,
        len({minute for _, minute in found.seconds}),
        found.first_utc,
        found.last_utc,
        minutes_from_sunset(found.first_utc, sunset_utc),
        minutes_from_sunset(found.last_utc, sunset_utc),
        max(map(calling_index, found.seconds.values()), default=0),
        sunset_utc,
    )


def minutes_from_sunset(moment: datetime | None, sunset_utc: datetime | None) -> float | None:
    """Return the minutes from sunset to a moment; `t2ss` of ARUtools (R). Negative before sunset."""
    return None if moment is None or sunset_utc is None else (moment - sunset_utc) / timedelta(minutes=1)
