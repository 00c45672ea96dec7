"""One night of one site: when each species called, and when somebody listened."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Double, literal, select

from anura_base.analysis.nights import Night
from anura_base.analysis.rollup import MAX_EFFORT_SPAN, species_of
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.events import EffortState

INDEX_S = 300
"""A calling index is told for five minutes, as in NAAMP's protocol (OMB 1028-0078)."""

INDEX_FROM = (0.0, 0.25, 0.75)
"""From which share of the listening that calls of the species fill, index 1, 2 and 3 begin.

NAAMP says: 1, calls with space between them; 2, some overlap; 3, a full chorus, continuous. Overlap of one species is
not heard by a model that says when it calls, so this is a proxy: how much of the time is filled.
"""

Interval = tuple[float, float]
"""Begin and end, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class SpeciesTimeline:
    """What one species did."""

    name: str
    calls: int
    intervals: Sequence[Interval]
    """When it called, in order, without overlap."""
    index: Mapping[float, int]
    """The calling index proxy, 1 to 3, by the begin of its five minutes; left out where it is 0."""


@dataclass(frozen=True, slots=True)
class NightTimeline:
    """What is known of a night."""

    begin: float
    end: float
    """Of what is shown, whole hours of UTC, in seconds since 1970."""
    species: Sequence[SpeciesTimeline]
    """The most frequent first."""
    effort: Mapping[str, Mapping[str, Sequence[Interval]]]
    """For each device and state, when it was in that state."""
    unsampled: Sequence[Interval]
    """When no device analysed anything."""
    analysed_s: float
    """How long at least one device did."""


def read_timeline(connection: Connection, site: str, night: Night) -> NightTimeline:
    """Read what is known of a night of a site."""
    states = _effort(connection, site, night)
    heard = merge_intervals(span for device in states.values() for span in device.get(EffortState.ANALYSED, ()))
    calls: dict[str, list[Interval]] = defaultdict(list)
    for species, start, end in _calls(connection, site, night):
        calls[species].append((start.timestamp(), end.timestamp()))
    found = sorted((_species(name, spans, heard) for name, spans in calls.items()), key=lambda s: (-s.calls, s.name))
    on = [spans for device in states.values() for state, spans in device.items() if state != EffortState.OFF]
    first, last = _window(night, [span for spans in on for span in spans])
    shown = {
        device: {state: inside for state, spans in of_device.items() if (inside := _clipped(spans, first, last))}
        for device, of_device in states.items()
    }
    return NightTimeline(first, last, found, shown, gaps(heard, first, last), sum(b - a for a, b in heard))


def merge_intervals(intervals: Iterable[Interval], gap_s: float = 0.0) -> list[Interval]:
    """Join intervals that overlap, or that are no more than a gap apart."""
    joined: list[Interval] = []
    for begin, end in sorted(intervals):
        if joined and begin <= joined[-1][1] + gap_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def gaps(intervals: Sequence[Interval], begin: float, end: float) -> list[Interval]:
    """Return what is left of a stretch; the intervals are in order and do not overlap."""
    free, at = [], begin
    for first, last in intervals:
        if first > at:
            free.append((at, min(first, end)))
        at = max(at, last)
    return [*free, (at, end)] if at < end else free


def calling_index(calls: Sequence[Interval], heard: Sequence[Interval]) -> dict[float, int]:
    """Return the proxy of the calling index of each five minutes in which the species called and somebody listened."""
    filled, listened = _by_cell(calls), _by_cell(heard)
    return {
        cell: max(number for number, least in enumerate(INDEX_FROM, 1) if seconds / listened[cell] >= least)
        for cell, seconds in filled.items()
        if listened.get(cell)
    }


def _by_cell(intervals: Sequence[Interval]) -> dict[float, float]:
    seconds: dict[float, float] = defaultdict(float)
    for begin, end in intervals:
        cell = begin // INDEX_S * INDEX_S
        while cell < end:
            seconds[cell] += min(end, cell + INDEX_S) - max(begin, cell)
            cell += INDEX_S
    return seconds


def _species(name: str, spans: Sequence[Interval], heard: Sequence[Interval]) -> SpeciesTimeline:
    joined = merge_intervals(spans)
    return SpeciesTimeline(name, len(spans), joined, calling_index(joined, heard))


def _calls(connection: Connection, site: str, night: Night) -> Iterator[tuple[str, datetime, datetime]]:
    c = events.c
    query = select(species_of(events), c.start_utc, c.end_utc).where(
        c.site == site, c.start_utc >= night.begin_utc, c.start_utc < night.end_utc, ~unknown_clock(events)
    )
    latest = night.end_utc + timedelta(hours=1)  # whatever a device says of how long a call was
    return ((name, start, min(max(start, end), latest)) for name, start, end in connection.execute(query))


def _effort(connection: Connection, site: str, night: Night) -> dict[str, dict[str, list[Interval]]]:
    c = effort.c
    query = select(c.device, c.state, c.start_utc, c.samples * literal(1.0, Double) / c.rate_hz).where(
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


def _window(night: Night, known: Sequence[Interval]) -> Interval:
    """Return the hours to show: those of darkness, and all in which a device was on."""
    hour = timedelta(hours=1)
    marks = [span[0] for span in known], [span[1] for span in known]
    if night.sunset_utc and night.sunrise_utc:
        marks[0].append((night.sunset_utc - hour).timestamp())
        marks[1].append((night.sunrise_utc + hour).timestamp())
    first, last = night.begin_utc.timestamp(), night.end_utc.timestamp()
    begin, end = (min(marks[0]), max(marks[1])) if marks[0] else (first, last)
    return max(first, begin // 3_600 * 3_600), min(last, -(-end // 3_600) * 3_600)
