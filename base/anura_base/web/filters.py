"""Filters in the address of a page: sites, nights and species."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fastapi import HTTPException
from sqlalchemy import Connection, select

from anura_base.analysis.heatmaps import MAX_NIGHTS
from anura_base.analysis.rollup_tables import call_slots, effort_slots
from anura_base.config.settings import Site
from anura_edge.events import EffortState
from anura_edge.nights import SLOT_S, SLOTS_PER_HOUR, night_date, slot
from anura_edge.wire import FIRST_UTC, LAST_UTC

RECORDING_STATES = (EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED, EffortState.GATED)
"""States of effort in which a recorder was on."""

DEFAULT_NIGHTS = 30
"""Number of nights on a page without a filter."""


@dataclass(frozen=True, slots=True)
class NightRange:
    """Nights from the first to the last date, both included."""

    first: date
    last: date

    @property
    def nights(self) -> int:
        """Number of nights."""
        return (self.last - self.first).days + 1


def select_sites(sites: Mapping[str, Site], names: Sequence[str]) -> dict[str, Site]:
    """Return the sites with these names, or all sites if there are none."""
    return {name: sites[name] for name in sites if name in names} or dict(sites)


def select_nights(
    connection: Connection, sites: Mapping[str, Site], first: date | None, last: date | None
) -> NightRange:
    """Return the requested nights. Without dates these are the DEFAULT_NIGHTS nights up to the latest one with data.

    Raises HTTPException (422) if the last night is before the first.
    """
    if first and last and last < first:
        raise HTTPException(422, f"last: {last} is before first, {first}; exchange the two dates")
    end = last or latest_night(connection, sites)
    begin = min(first or end - timedelta(days=DEFAULT_NIGHTS - 1), end)
    return NightRange(max(begin, end - timedelta(days=MAX_NIGHTS - 1)), end)


def latest_night(connection: Connection, sites: Mapping[str, Site]) -> date:
    """Return the latest night with effort or calls at any site, or else the current night."""
    now = datetime.now(UTC)
    current = [night_date(now, site) for site in sites.values()] or [now.date()]
    nights = (latest_night_of_site(connection, name, site) for name, site in sites.items())
    return max([night for night in nights if night is not None] or current)


def latest_night_of_site(connection: Connection, name: str, site: Site) -> date | None:
    """Return the latest night with effort or calls at a site, or None if the site has no data."""
    # A device whose clock is far ahead must not hide the nights of all others.
    limit = slot(datetime.now(UTC)) + 24 * SLOTS_PER_HOUR
    calls, hours = call_slots.c, effort_slots.c
    queries = (
        select(calls.slot).where(calls.site == name, calls.slot <= limit).order_by(calls.slot.desc()),
        # Without the state `off`: it has no audio.
        select(hours.slot)
        .where(hours.site == name, hours.slot <= limit, hours.state.in_(RECORDING_STATES))
        .order_by(hours.slot.desc()),
    )
    slots = (connection.scalar(query.limit(1)) for query in queries)
    latest = max((number for number in slots if number is not None), default=None)
    return None if latest is None else night_date(datetime.fromtimestamp(latest * SLOT_S, UTC), site)


def parse_date(name: str, text: str) -> date | None:
    """Return the date in a parameter of the address, or None if it is empty.

    Raises HTTPException (422) if the text is not a date.
    """
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError as error:
        raise HTTPException(422, f"{name}: {text!r} is not a date; write it as in 2026-11-20") from error
    if found and not FIRST_UTC.year <= found.year <= LAST_UTC.year:
        raise HTTPException(422, f"{name}: {text!r} is not in the years from {FIRST_UTC.year} to {LAST_UTC.year}")
    return found


def list_species(connection: Connection, *, rejected: bool = False) -> Sequence[str]:
    """Return the species of all calls that count, sorted by name. `rejected`: also those without such a call."""
    query = select(call_slots.c.species).distinct().order_by(call_slots.c.species)
    return connection.scalars(query if rejected else query.where(call_slots.c.calls > 0)).all()
