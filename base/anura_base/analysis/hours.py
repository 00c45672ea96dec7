"""Calls and effort by hour of the night: the stored sums where they are right, else the quarters of an hour."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from operator import add
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, Table, func, select

from anura_base.analysis.known_nights import list_species
from anura_base.analysis.rollup_nights import sites_with_hours
from anura_base.analysis.rollup_tables import HOUR_COLUMNS, HOURS, CallCount, HourZero, call_hours, effort_hours
from anura_base.analysis.site_sums import sum_nights
from anura_base.config.settings import Site

T = TypeVar("T", int, float)

FEW_SITES = 50
"""The rows of so many sites are looked up one by one. For more it is faster to read those of all sites in turn."""


@dataclass(frozen=True, slots=True)
class HourTotals:
    """Calls of each species and effort, by hour, over all nights and sites."""

    calls: Mapping[str, Mapping[int, int]]
    """By species and hour."""
    seconds: Mapping[int, float]
    """Seconds of analysed audio in each hour."""
    nights: int
    """Nights with analysed audio, of all sites, whose hours are included."""
    nights_without_zero: int
    """Nights with analysed audio, of all sites, whose hours are unknown: they have no sunset, or no position."""


def hour_totals(
    connection: Connection, sites: Mapping[str, Site], first: date, last: date, zero: HourZero, *, confirmed: bool
) -> HourTotals:
    """Return the totals over all nights of the sites from one date to another, both included."""
    counted = CallCount.CONFIRMED if confirmed else CallCount.CALLS
    evenings = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    stored = sites_with_hours(connection, sites)
    calls, seconds, nights = _stored(connection, stored, evenings, zero, counted)
    for name in sites.keys() - stored:
        sums = sum_nights(connection, name, sites[name], evenings)
        for (of_zero, of_count, species, _), of_night in sums.call_hours.items():
            if (of_zero, of_count) == (zero, counted):
                calls[species] = _added(calls.get(species, [0] * HOURS), of_night)
        for (of_zero, _), analysed in sums.effort_hours.items():
            nights[of_zero] += 1
            seconds = _added(seconds, analysed) if of_zero == zero else seconds
    by_species = {name: dict(zip(zero.hours, counts, strict=True)) for name, counts in calls.items()}
    hours = dict(zip(zero.hours, seconds, strict=True))
    return HourTotals(by_species, hours, nights[zero], nights[HourZero.NOON] - nights[zero])


def _stored(
    connection: Connection, sites: Collection[str], evenings: Sequence[date], zero: HourZero, counted: CallCount
) -> tuple[dict[str, list[int]], list[float], Counter[HourZero]]:
    """Return calls by species and hour, seconds by hour, and the number of nights of each zero."""
    c, e = call_hours.c, effort_hours.c
    # All species are named, so that only the nights in question of each are read, by the primary key.
    species = c.species.in_(list_species(connection, rejected=True))
    within = c.zero == zero, c.counted == counted, species, *_within(call_hours, sites, evenings)
    query = select(c.species, *_totals(call_hours)).where(*within).group_by(c.species)
    calls = {name: [int(count) for count in counts] for name, *counts in connection.execute(query)}
    within = _within(effort_hours, sites, evenings)
    amounts = connection.execute(select(*_totals(effort_hours)).where(e.zero == zero, *within)).one()
    number = select(func.count()).select_from(effort_hours).where(*within)
    nights = Counter({each: connection.scalar(number.where(e.zero == each)) or 0 for each in HourZero})
    return calls, [amount or 0.0 for amount in amounts], nights


def _within(table: Table, sites: Collection[str], evenings: Sequence[date]) -> tuple[ColumnElement[bool], ...]:
    number = table.c.evening
    one_by_one = number.in_([evening.toordinal() for evening in evenings])
    between = number.between(evenings[0].toordinal(), evenings[-1].toordinal())
    return table.c.site.in_(sites), one_by_one if len(sites) <= FEW_SITES else between


def _totals(table: Table) -> list[ColumnElement[float]]:
    return [func.sum(table.c[name]) for name in HOUR_COLUMNS]


def _added(totals: list[T], more: list[T]) -> list[T]:
    return [*map(add, totals, more)]
