"""Sums of the nights of a site and of their hours, made from its sums by quarter of an hour.

A night depends on the time zone of its site, and the hours since sunset on the position, too.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, select

from anura_base.analysis.rollup_tables import HOURS, CallCount, HourZero, call_slots, effort_slots
from anura_base.config.settings import Site
from anura_edge.events import EffortState
from anura_edge.nights import SLOTS_PER_HOUR, night, split_at_clock_changes


@dataclass(frozen=True, slots=True)
class SiteSums:
    """Sums of some nights of a site. A night is identified by the ordinal of its date."""

    call_nights: dict[tuple[int, str, str], tuple[int, int]] = field(default_factory=dict)
    """Calls, and confirmed calls, by night, species and model."""
    effort_nights: dict[tuple[int, str, str], tuple[float, float, float]] = field(default_factory=dict)
    """Seconds, seconds with a known level, and sum of level times seconds, by night, state and model."""
    call_hours: dict[tuple[HourZero, CallCount, str, int], list[int]] = field(
        default_factory=lambda: defaultdict(_no_calls)
    )
    """Numbers of calls in each of `HourZero.hours`. The key is (HourZero, CallCount, species, night)."""
    effort_hours: dict[tuple[HourZero, int], list[float]] = field(default_factory=lambda: defaultdict(_no_seconds))
    """Seconds of analysed audio in each of `HourZero.hours`, by zero and night."""


def sum_nights(connection: Connection, name: str, site: Site, evenings: Sequence[date]) -> SiteSums:
    """Return the sums of some nights of a site, in order of date, from its quarters of an hour."""
    places, sums = _places(site, evenings), SiteSums()
    calls, effort = call_slots.c, effort_slots.c
    of_calls = select(calls.slot, calls.species, calls.model_sha256, calls.calls, calls.confirmed)
    of_effort = select(
        effort.slot, effort.state, effort.model_sha256, effort.seconds, effort.measured_s, effort.level_dbfs_s
    )
    for first, last in _runs(evenings):
        begin, end = night(site, first).first_slot, night(site, last).end_slot - 1
        within = calls.site == name, calls.slot.between(begin, end)
        for slot, species, model, *counts in connection.execute(of_calls.where(*within)):
            _add_calls(sums, places[slot], species, model, counts)
        within = effort.site == name, effort.slot.between(begin, end)
        for slot, state, model, *amounts in connection.execute(of_effort.where(*within)):
            _add_effort(sums, places[slot], state, model, amounts)
    return sums


@dataclass(frozen=True, slots=True)
class _SlotPlace:
    """Where a quarter of an hour is in its night."""

    evening: int
    columns: Sequence[tuple[HourZero, int]]
    """The position of its hour in `HourZero.hours`. It may be outside of them."""


def _places(site: Site, evenings: Sequence[date]) -> Mapping[int, _SlotPlace]:
    places: dict[int, _SlotPlace] = {}
    for evening in evenings:
        found, number = night(site, evening), evening.toordinal()
        sunset = found.sunset_slot
        for first, end, noon in split_at_clock_changes(found, site.zone):
            zeros = [(HourZero.NOON, noon), *([(HourZero.SUNSET, sunset)] if sunset is not None else [])]
            begins = [(zero, slot + zero.hours.start * SLOTS_PER_HOUR) for zero, slot in zeros]
            for slot in range(first, end):
                columns = [(zero, (slot - begin) // SLOTS_PER_HOUR) for zero, begin in begins]
                places[slot] = _SlotPlace(number, columns)
    return places


def _runs(evenings: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Yield the first and the last date of each run of consecutive dates."""
    numbered = ((evening.toordinal() - position, evening) for position, evening in enumerate(evenings))
    for _, run in groupby(numbered, key=itemgetter(0)):
        dates = [evening for _, evening in run]
        yield dates[0], dates[-1]


def _add_calls(sums: SiteSums, place: _SlotPlace, species: str, model: str, counts: Sequence[int]) -> None:
    key = place.evening, species, model
    calls, confirmed = sums.call_nights.get(key, (0, 0))
    sums.call_nights[key] = calls + counts[0], confirmed + counts[1]
    for counted, count in zip(CallCount, counts, strict=True):
        for zero, column in place.columns if count else ():
            hours = sums.call_hours[zero, counted, species, place.evening]
            if 0 <= column < HOURS:
                hours[column] += count


def _add_effort(sums: SiteSums, place: _SlotPlace, state: str, model: str, amounts: Sequence[float]) -> None:
    key = place.evening, state, model
    seconds, measured_s, level_dbfs_s = sums.effort_nights.get(key, (0.0, 0.0, 0.0))
    sums.effort_nights[key] = seconds + amounts[0], measured_s + amounts[1], level_dbfs_s + amounts[2]
    for zero, column in place.columns if state == EffortState.ANALYSED else ():
        hours = sums.effort_hours[zero, place.evening]
        if 0 <= column < HOURS:
            hours[column] += amounts[0]


def _no_calls() -> list[int]:
    return [0] * HOURS


def _no_seconds() -> list[float]:
    return [0.0] * HOURS
