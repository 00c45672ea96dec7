"""Sums of calls and effort for each night of a site, made from the sums by quarter of an hour.

A night depends on the time zone of its site, which people may change. So the zone is stored with the sums, and a reader
whose zone is another one uses the quarters of an hour instead (`sums`).
"""

import threading
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    Connection,
    Engine,
    Integer,
    Select,
    Table,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    values,
)

from anura_base.analysis.rollup_tables import call_nights, call_slots, effort_nights, effort_slots, night_zones
from anura_base.analysis.sites import all_sites
from anura_base.config.settings import Site
from anura_base.db.engine import insert_or_update, write_transaction
from anura_edge.nights import SLOT_S, night, night_date

_SUMS = ((call_slots, call_nights), (effort_slots, effort_nights))


def update_nights(connection: Connection, days: Collection[tuple[str, datetime]]) -> None:
    """Compute the nights that overlap these UTC days of sites again, of those sites that have sums of nights."""
    zones = _stored_zones(connection, {name for name, _ in days})
    evenings: dict[str, set[date]] = {name: set() for name in zones}
    for name, first in days:
        if name in zones:
            last = first + timedelta(days=1, seconds=-SLOT_S)
            evenings[name] |= {night_date(moment, Site(zone=zones[name])) for moment in (first, last)}
    for name, of_site in evenings.items():
        _compute(connection, name, zones[name], sorted(of_site))


def renew_zones(engine: Engine, configured: Mapping[str, Site], stop: threading.Event | None = None) -> None:
    """Compute all nights of the sites whose time zone is new or has changed, or until `stop` is set.

    Raises SQLAlchemyError.
    """
    with engine.connect() as connection:
        sites = all_sites(connection, configured)
        stored = _stored_zones(connection)
    for name, site in sites.items():
        if stored.get(name) == site.zone:
            continue
        if stop and stop.is_set():
            return
        with write_transaction(engine) as connection:
            _renew(connection, name, site.zone)


def stored_zones(connection: Connection, sites: Collection[str]) -> dict[str, str]:
    """Return the zone of the sums of nights, of those of the sites that have such sums."""
    stored = _stored_zones(connection)  # without a condition: a list of a thousand sites costs more than their rows
    return {name: stored[name] for name in sites if name in stored}


def _stored_zones(connection: Connection, only: Collection[str] | None = None) -> dict[str, str]:
    query = select(night_zones.c.site, night_zones.c.zone)
    query = query if only is None else query.where(night_zones.c.site.in_(only))
    return {row.site: row.zone for row in connection.execute(query)}


def _renew(connection: Connection, name: str, zone: str) -> None:
    insert_or_update(connection, night_zones, [{"site": name, "zone": zone}])
    for table in (call_nights, effort_nights):
        connection.execute(delete(table).where(table.c.site == name))
    edges = [
        connection.scalar(select(edge(table.c.slot)).where(table.c.site == name))
        for table in (call_slots, effort_slots)
        for edge in (func.min, func.max)
    ]
    known = [
        night_date(datetime.fromtimestamp(each * SLOT_S, UTC), Site(zone=zone)) for each in edges if each is not None
    ]
    if known:
        nights = (max(known) - min(known)).days + 1
        _compute(connection, name, zone, [min(known) + timedelta(days=number) for number in range(nights)])


def _compute(connection: Connection, name: str, zone: str, evenings: Collection[date]) -> None:
    spans = _spans(zone, evenings)
    for slots, target in _SUMS:
        old = target.c.site == name, target.c.evening.in_([evening.toordinal() for evening in evenings])
        connection.execute(delete(target).where(*old))
        names = [each.name for each in target.columns]
        connection.execute(insert(target).from_select(names, _sums(slots, target, name, spans)))


def _spans(zone: str, evenings: Collection[date]) -> CTE:
    names = ("first", "end_", "evening")
    table = values(*(column(name, Integer) for name in names), name="v", literal_binds=True)
    found = [night(Site(zone=zone), evening) for evening in evenings]
    rows = [(each.first_slot, each.end_slot, each.evening.toordinal()) for each in found]
    return table.data(rows).cte("spans")


def _sums(slots: Table, target: Table, name: str, spans: CTE) -> Select[Any]:
    inside = (slots.c.slot >= spans.c.first) & (slots.c.slot < spans.c.end_) & (slots.c.site == name)
    kind, model, *amounts = [slots.c[each.name] for each in [*target.columns][2:]]
    keys = spans.c.evening, kind, model
    query = select(literal(name), *keys, *(func.sum(amount) for amount in amounts))
    return query.select_from(spans.join(slots, inside)).group_by(*keys)
