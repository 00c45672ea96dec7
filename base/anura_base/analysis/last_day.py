"""Calls and hours of the last 24 hours, counted in one way for the pages *Now* and *Network*.

A row of unknown clock counts nowhere, and neither does one of a time to come. An hour counts once, even if two models
analysed it or rows overlap, so the hours of a device are at most 24.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, or_, select

from anura_base.analysis.effort import DURATION_S, MAX_EFFORT_SPAN, S_PER_HOUR
from anura_base.analysis.night_timeline import Interval, gaps, merge_intervals
from anura_base.analysis.verdicts import is_counted
from anura_base.config.settings import Site
from anura_base.db.schema import effort, events, unknown_clock
from anura_edge.events import EffortState

LAST_DAY = timedelta(hours=24)

_USUAL_SPAN = timedelta(hours=1)
"""Few rows of effort are longer. Of the rows that began before the last day, only those are read that reach into it."""

DeviceKey = tuple[str, str]
"""Site and device."""

_ORDER = [EffortState.ANALYSED, *(state for state in EffortState if state not in ("analysed", "off")), EffortState.OFF]
"""Of two states at one time, the earlier one here counts: a device that analysed audio was not off."""


def calls_of_last_day(sites: Mapping[str, Site], now: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions for the calls of `JUDGED_EVENTS` that began in the last 24 hours, and count."""
    return [*starts_in_last_day(sites, now), is_counted()]


def starts_in_last_day(sites: Mapping[str, Site], now: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions for the events that began in the last 24 hours, with any verdict."""
    started = events.c.start_utc.between(now - LAST_DAY, now)
    return [events.c.site.in_(sites), started, ~unknown_clock(events)]


def hours_of_last_day(
    connection: Connection, sites: Mapping[str, Site], now: datetime
) -> dict[DeviceKey, dict[str, float]]:
    """Return the hours of each device in each state of effort, in the last 24 hours."""
    c = effort.c
    first, last = (now - LAST_DAY).timestamp(), now.timestamp()
    reaches_it = or_(c.start_utc > now - LAST_DAY - _USUAL_SPAN, _USUAL_SPAN.total_seconds() < DURATION_S)
    query = select(c.site, c.device, c.state, c.start_utc, DURATION_S).where(
        c.site.in_(sites), c.start_utc > now - LAST_DAY - MAX_EFFORT_SPAN, c.start_utc < now, reaches_it,
        ~unknown_clock(effort),
    )  # fmt: skip
    spans: dict[DeviceKey, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for site, device, state, start, seconds in connection.execute(query):
        begin, end = max(first, start.timestamp()), min(last, start.timestamp() + seconds)
        if begin < end:
            spans[site, device][state].append((begin, end))
    return {device: _hours(of_device, first, last) for device, of_device in spans.items()}


def _hours(spans: Mapping[str, Sequence[Interval]], first: float, last: float) -> dict[str, float]:
    hours: dict[str, float] = {}
    free_before = last - first
    taken: list[Interval] = []
    for state in (each for each in _ORDER if each in spans):
        taken = merge_intervals([*taken, *spans[state]])
        free = sum(end - begin for begin, end in gaps(taken, first, last))
        if free < free_before:
            hours[state] = (free_before - free) / S_PER_HOUR
        free_before = free
    return hours
