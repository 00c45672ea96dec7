"""Which species there are, and which nights have data: from the sums, without reading all of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from anura_base.analysis.rollup_nights import stored_zones
from anura_base.analysis.rollup_tables import call_nights, call_slots, effort_nights, effort_slots, night_zones
from anura_base.config.settings import Site
from anura_base.db.schema import devices
from anura_edge.events import EffortState
from anura_edge.nights import SLOT_S, SLOTS_PER_HOUR, night_date, slot

RECORDING_STATES = (EffortState.ANALYSED, EffortState.SILENT, EffortState.CLIPPED, EffortState.GATED)
"""States of effort in which a recorder was on."""


def list_species(connection: Connection, *, rejected: bool = False) -> Sequence[str]:
    """Return the species of all calls that count, sorted by name. `rejected`: also those without such a call."""
    found: set[str] = set(connection.scalars(_distinct_species()))
    if found and not rejected:
        c = call_nights.c
        some = (select(c.calls).where(c.species == name, c.calls > 0).limit(1) for name in found)
        found = {name for name, query in zip(found, some, strict=True) if connection.scalar(query)}
    # Sites whose nights are not summed up yet.
    stored = set(connection.scalars(select(night_zones.c.site)))
    others = set(connection.scalars(select(devices.c.site).distinct())) - stored
    if others or not stored:
        query = select(call_slots.c.species).distinct()
        query = query.where(call_slots.c.site.in_(others)) if stored else query
        found |= set(connection.scalars(query if rejected else query.where(call_slots.c.calls > 0)))
    return sorted(found)


def _distinct_species() -> Select[Any]:
    """Return the query for the distinct species, from one to the next by the index: DISTINCT reads every row."""
    c = call_nights.c
    first = select(func.min(c.species).label("species")).cte("species", recursive=True)
    following = select(func.min(c.species)).where(c.species > first.c.species).correlate(first).scalar_subquery()
    all_of_them = first.union_all(select(following).where(first.c.species.is_not(None)))
    return select(all_of_them.c.species).where(all_of_them.c.species.is_not(None))


def latest_night(connection: Connection, sites: Mapping[str, Site]) -> date:
    """Return the latest night with effort or calls at any site, or else the current night."""
    now = datetime.now(UTC)
    zones = stored_zones(connection, sites)
    stored = {name for name, zone in zones.items() if sites[name].zone == zone}
    others = (latest_night_of_site(connection, name, sites[name]) for name in sites if name not in stored)
    nights = [night for night in (_latest_of(connection, stored, now), *others) if night is not None]
    return max(nights or [night_date(now, site) for site in sites.values()] or [now.date()])


def _latest_of(connection: Connection, stored: Collection[str], now: datetime) -> date | None:
    # A device whose clock is far ahead must not hide the nights of all others.
    limit = (now + timedelta(days=1)).date().toordinal()
    calls, hours = call_nights.c, effort_nights.c
    queries = (
        select(calls.evening).where(calls.site.in_(stored), calls.evening <= limit).order_by(calls.evening.desc()),
        select(hours.evening)
        .where(hours.site.in_(stored), hours.evening <= limit, hours.state.in_(RECORDING_STATES))
        .order_by(hours.evening.desc()),
    )
    found = [connection.scalar(query.limit(1)) for query in queries] if stored else []
    return max((date.fromordinal(each) for each in found if each is not None), default=None)


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
