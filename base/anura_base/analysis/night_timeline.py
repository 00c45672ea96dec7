"""One night of one site: when each species called, and what the devices recorded."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from anura_base.analysis.effort import DURATION_S, MAX_EFFORT_SPAN, S_PER_HOUR
from anura_base.analysis.verdicts import COUNTED_SPECIES, JUDGED_EVENTS, is_counted
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.events import EffortState
from anura_edge.nights import Night

INDEX_S = 300
"""The calling index is given for each five minutes, as in NAAMP's protocol (OMB 1028-0078)."""

INDEX_FROM = (0.0, 0.25, 0.75)
"""The shares of the analysed time, filled with calls of the species, at which index 1, 2 and 3 begin.

NAAMP defines: 1, calls with space between them; 2, some calls overlap; 3, a full chorus, continuous. The model gives
the time of calls but not the number of frogs that call together, so the filled share of the time is a proxy.
"""

Interval = tuple[float, float]
"""Begin and end, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SpeciesTimeline:
    """The calls of one species in a night."""

    name: str
    calls: int
    intervals: Sequence[Interval]
    """When it called, in order, merged where calls overlap."""
    index: Mapping[float, int]
    """The calling index proxy, 1 to 3, by the begin of its five minutes. Five minutes with index 0 are not included."""


@dataclass(frozen=True, slots=True)
class NightTimeline:
    """Calls and effort of a night."""

    begin: float
    end: float
    """The period to show, in whole hours of UTC, as seconds since 1970."""
    species: Sequence[SpeciesTimeline]
    """The most frequent first."""
    effort: Mapping[str, Mapping[str, Sequence[Interval]]]
    """For each device and state, the intervals in that state."""
    unsampled: Sequence[Interval]
    """When no device analysed audio."""
    analysed_s: float
    """How long at least one device analysed audio."""


def read_timeline(connection: Connection, site: str, night: Night, *, confirmed: bool = False) -> NightTimeline:
    """Read the calls and the effort of a night of a site. `confirmed`: only the confirmed calls."""
    states = _effort(connection, site, night)
    analysed = merge_intervals(span for device in states.values() for span in device.get(EffortState.ANALYSED, ()))
    calls: dict[str, list[Interval]] = defaultdict(list)
    for name, start, end in _calls(connection, site, night, confirmed=confirmed):
        calls[name].append((start.timestamp(), end.timestamp()))
    species = [_species(name, spans, analysed) for name, spans in calls.items()]
    on = [spans for device in states.values() for state, spans in device.items() if state != EffortState.OFF]
    first, last = _shown_hours(night, [span for spans in on for span in spans])
    shown = {
        device: {state: inside for state, spans in of_device.items() if (inside := _clipped(spans, first, last))}
        for device, of_device in states.items()
    }
    return NightTimeline(
        begin=first,
        end=last,
        species=sorted(species, key=lambda each: (-each.calls, each.name)),
        effort=shown,
        unsampled=gaps(analysed, first, last),
        analysed_s=sum(end - begin for begin, end in analysed),
    )


def merge_intervals(intervals: Iterable[Interval], gap_s: float = 0.0) -> list[Interval]:
    """Merge intervals that overlap or are at most `gap_s` apart. Return them in order."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1] + gap_s:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def gaps(intervals: Sequence[Interval], begin: float, end: float) -> list[Interval]:
    """Return the parts from `begin` to `end` outside the intervals, which are in order and do not overlap."""
    found, position = [], begin
    for first, last in intervals:
        if first > position:
            found.append((position, min(first, end)))
        position = max(position, last)
    return [*found, (position, end)] if position < end else found


def calling_index(calls: Sequence[Interval], analysed: Sequence[Interval]) -> dict[float, int]:
    """Return the calling index proxy of each five minutes with calls and with analysed audio."""
    called_s, analysed_s = _seconds_by_cell(calls), _seconds_by_cell(analysed)
    return {
        cell: max(index for index, share in enumerate(INDEX_FROM, 1) if seconds / analysed_s[cell] >= share)
        for cell, seconds in called_s.items()
        if analysed_s.get(cell)
    }


def _seconds_by_cell(intervals: Sequence[Interval]) -> dict[float, float]:
    seconds: dict[float, float] = defaultdict(float)
    for begin, end in intervals:
        cell = begin // INDEX_S * INDEX_S
        while cell < end:
            seconds[cell] += min(end, cell + INDEX_S) - max(begin, cell)
            cell += INDEX_S
    return seconds


def _species(name: str, calls: Sequence[Interval], analysed: Sequence[Interval]) -> SpeciesTimeline:
    merged = merge_intervals(calls)
    return SpeciesTimeline(name, len(calls), merged, calling_index(merged, analysed))


def _calls(
    connection: Connection, site: str, night: Night, *, confirmed: bool
) -> Iterator[tuple[str, datetime, datetime]]:
    c = events.c
    within = c.site == site, c.start_utc >= night.begin_utc, c.start_utc < night.end_utc, ~unknown_clock(events)
    query = select(COUNTED_SPECIES, c.start_utc, c.end_utc).select_from(JUDGED_EVENTS)
    query = query.where(*within, is_counted(confirmed=confirmed))
    latest = night.end_utc + timedelta(hours=1)  # a call of an absurd length ends here
    return ((name, start, min(max(start, end), latest)) for name, start, end in connection.execute(query))


def _effort(connection: Connection, site: str, night: Night) -> dict[str, dict[str, list[Interval]]]:
    c = effort.c
    query = select(c.device, c.state, c.start_utc, DURATION_S).where(
        c.site == site,
        c.start_utc > night.begin_utc - MAX_EFFORT_SPAN,
        c.start_utc < night.end_utc,
        ~unknown_clock(effort),
    )
    found: dict[str, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    first, last = night.begin_utc.timestamp(), night.end_utc.timestamp()
    for device, state, start, seconds in connection.execute(query):
        begin, end = max(first, start.timestamp()), min(last, start.timestamp() + seconds)
        if begin < end:
            found[device][state].append((begin, end))
    return {
        device: {state: merge_intervals(spans) for state, spans in states.items()}
        for device, states in sorted(found.items())
    }


def _clipped(spans: Iterable[Interval], first: float, last: float) -> list[Interval]:
    return [(max(a, first), min(b, last)) for a, b in spans if a < last and b > first]


def _shown_hours(night: Night, on: Sequence[Interval]) -> Interval:
    """Return the whole hours to show: the dark hours, and all hours in which a device was on."""
    hour = timedelta(hours=1)
    begins, ends = [begin for begin, _ in on], [end for _, end in on]
    if night.sunset_utc and night.sunrise_utc:
        begins.append((night.sunset_utc - hour).timestamp())
        ends.append((night.sunrise_utc + hour).timestamp())
    first, last = night.begin_utc.timestamp(), night.end_utc.timestamp()
    begin, end = (min(begins), max(ends)) if begins else (first, last)
    return max(first, begin // S_PER_HOUR * S_PER_HOUR), min(last, -(-end // S_PER_HOUR) * S_PER_HOUR)
