"""What a reader chose, as a page's address says it: which sites, which nights, which species."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fastapi import HTTPException
from sqlalchemy import Connection, select

from anura_base.analysis.heatmaps import MAX_NIGHTS
from anura_base.analysis.nights import SLOT_S, SLOTS_PER_HOUR, night_date, slot
from anura_base.analysis.rollup_tables import call_slots, effort_slots
from anura_base.config.settings import Site
from anura_edge.events import EffortState

YEARS = 1950, 2200
"""At the ends of the calendar a night has no neighbours; and before, nobody recorded frogs."""

HEARD = (EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED, EffortState.GATED)
"""States of effort in which a recorder was on."""

SOME_NIGHTS = 30
"""As many as a page shows unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Span:
    """Nights from one evening to another, both included."""

    first: date
    last: date

    @property
    def nights(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1


def choose_sites(sites: Mapping[str, Site], names: Sequence[str]) -> dict[str, Site]:
    """Return the sites of these names; all where there is none of them."""
    return {name: sites[name] for name in sites if name in names} or dict(sites)


def choose_span(connection: Connection, sites: Mapping[str, Site], first: date | None, last: date | None) -> Span:
    """Return the nights that are asked for, or those until the latest that something is known of."""
    end = last or latest_night(connection, sites)
    begin = first or end - timedelta(days=SOME_NIGHTS - 1)
    begin = min(begin, end)
    return Span(max(begin, end - timedelta(days=MAX_NIGHTS - 1)), end)


def latest_night(connection: Connection, sites: Mapping[str, Site]) -> date:
    """Return the latest night in which a site listened or heard a call, or else the night of now."""
    now = datetime.now(UTC)
    found = [night_date(now, site) for site in sites.values()] or [now.date()]
    heard = [night for name, site in sites.items() if (night := last_night(connection, name, site)) is not None]
    return max(heard or found)


def last_night(connection: Connection, name: str, site: Site) -> date | None:
    """Return the latest night of one site, None when nothing is known of it."""
    # A device whose clock runs far ahead must not hide the nights of all others.
    limit = slot(datetime.now(UTC)) + 24 * SLOTS_PER_HOUR
    calls, listened = call_slots.c, effort_slots.c
    last = (
        select(calls.slot).where(calls.site == name, calls.slot <= limit).order_by(calls.slot.desc()),
        # A recorder that was switched off since listened no night longer.
        select(listened.slot)
        .where(listened.site == name, listened.slot <= limit, listened.state.in_(HEARD))
        .order_by(listened.slot.desc()),
    )
    slots = (connection.scalar(query.limit(1)) for query in last)
    latest = max((number for number in slots if number is not None), default=None)
    return None if latest is None else night_date(datetime.fromtimestamp(latest * SLOT_S, UTC), site)


def as_date(name: str, said: str) -> date | None:
    """Return the date that the address says, None where it says none.

    Raises HTTPException (422) when it is none.
    """
    try:
        found = date.fromisoformat(said) if said else None
    except ValueError as error:
        raise HTTPException(422, f"{name}: {said!r} is not a date; write it as in 2026-11-20") from error
    if found and not YEARS[0] <= found.year <= YEARS[1]:
        raise HTTPException(422, f"{name}: {said!r} is not of the years from {YEARS[0]} to {YEARS[1]}")
    return found


def known_species(connection: Connection) -> Sequence[str]:
    """Return every species that was heard anywhere, by name."""
    return connection.scalars(select(call_slots.c.species).distinct().order_by(call_slots.c.species)).all()
