"""Sums of calls and effort for each night of a site and its hours, made from the sums by quarter of an hour.

A night depends on the time zone of its site, and its sunset on the position, which people may change. So both are
stored with the sums, and a reader for whom they are others uses the quarters of an hour instead (`sums`, `hours`).
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select

from anura_base.analysis.rollup_tables import (
    call_hours,
    call_nights,
    call_slots,
    effort_hours,
    effort_nights,
    effort_slots,
    night_zones,
)
from anura_base.analysis.site_sums import sum_nights
from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.engine import insert_or_update, write_transaction
from anura_edge.nights import SLOT_S, night, night_date


def update_nights(connection: Connection, days: Collection[tuple[str, datetime]]) -> None:
    """Compute the nights that overlap these UTC days of sites again, of those sites that have sums of nights."""
    places = _stored_places(connection, {name for name, _ in days})
    evenings: dict[str, set[date]] = {name: set() for name in places}
    for name, first in days:
        if name in places:
            last = first + timedelta(days=1, seconds=-SLOT_S)
            evenings[name] |= {night_date(moment, places[name].site) for moment in (first, last)}
    for name, of_site in evenings.items():
        _compute(connection, name, places[name].site, sorted(of_site))


def renew_zones(engine: Engine, configured: Mapping[str, Site], stop: threading.Event | None = None) -> None:
    """Compute all nights of the sites whose time zone or position is new or has changed, or until `stop` is set.

    Raises SQLAlchemyError.
    """
    with engine.connect() as connection:
        sites = all_sites(connection, configured)
        stored = sites_with_hours(connection, sites)
    for name, site in sites.items():
        if name in stored:
            continue
        if stop and stop.is_set():
            return
        with engine.connect() as connection:
            for evening in _known_evenings(connection, name, site):
                night(site, evening)  # kept in memory, so that the transaction does not wait for all the sunsets
        with write_transaction(engine) as connection:
            _renew(connection, name, site)


def stored_zones(connection: Connection, sites: Collection[str]) -> dict[str, str]:
    """Return the zone of the sums of nights, of those of the sites that have such sums."""
    places = _stored_places(connection)
    return {name: places[name].site.zone for name in sites if name in places}


def sites_with_hours(connection: Connection, sites: Mapping[str, Site]) -> set[str]:
    """Return those of the sites whose stored sums of hours were made with their time zone and position."""
    places = _stored_places(connection)
    return {
        name
        for name, site in sites.items()
        if name in places and places[name].has_hours and _place(places[name].site) == _place(site)
    }


@dataclass(frozen=True, slots=True)
class _StoredPlace:
    site: Site
    """The time zone and position with which the sums of a site are made."""
    has_hours: bool


def _place(site: Site) -> tuple[str, float | None, float | None]:
    return site.zone, site.latitude_deg, site.longitude_deg


def _stored_places(connection: Connection, only: Collection[str] | None = None) -> dict[str, _StoredPlace]:
    # Of all sites without a condition: a list of a thousand sites costs more than their rows.
    query = select(night_zones) if only is None else select(night_zones).where(night_zones.c.site.in_(only))
    return {
        row.site: _StoredPlace(
            Site.model_construct(zone=row.zone, latitude_deg=row.latitude_deg, longitude_deg=row.longitude_deg),
            row.has_hours,
        )
        for row in connection.execute(query)
    }


def _renew(connection: Connection, name: str, site: Site) -> None:
    place = {"zone": site.zone, "latitude_deg": site.latitude_deg, "longitude_deg": site.longitude_deg}
    insert_or_update(connection, night_zones, [{"site": name, **place, "has_hours": True}])
    for table in (call_nights, effort_nights, call_hours, effort_hours):
        connection.execute(delete(table).where(table.c.site == name))
    _compute(connection, name, site, _known_evenings(connection, name, site))


def _known_evenings(connection: Connection, name: str, site: Site) -> list[date]:
    """Return the nights of a site from the first one with data to the last."""
    edges = [
        connection.scalar(select(edge(table.c.slot)).where(table.c.site == name))
        for table in (call_slots, effort_slots)
        for edge in (func.min, func.max)
    ]
    known = [night_date(datetime.fromtimestamp(each * SLOT_S, UTC), site) for each in edges if each is not None]
    if not known:
        return []
    return [min(known) + timedelta(days=number) for number in range((max(known) - min(known)).days + 1)]


def _compute(connection: Connection, name: str, site: Site, evenings: Sequence[date]) -> None:
    sums = sum_nights(connection, name, site, evenings)
    rows: dict[Table, list[tuple[object, ...]]] = {
        call_nights: [(name, *key, *counts) for key, counts in sums.call_nights.items()],
        effort_nights: [(name, *key, *amounts) for key, amounts in sums.effort_nights.items()],
        call_hours: [(*key, name, *counts) for key, counts in sums.call_hours.items()],
        effort_hours: [(*key, name, *amounts) for key, amounts in sums.effort_hours.items()],
    }
    ordinals = [evening.toordinal() for evening in evenings]
    for table, new in rows.items():
        connection.execute(delete(table).where(table.c.site == name, table.c.evening.in_(ordinals)))
        names = [column.name for column in table.columns]
        if new:
            connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in new])
