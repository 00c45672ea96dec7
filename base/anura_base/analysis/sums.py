"""Where the charts read calls and effort from: the sums of nights where they exist, else the quarters of an hour."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    column,
    select,
    union_all,
    values,
)

from anura_base.analysis.rollup_nights import stored_zones
from anura_base.analysis.rollup_tables import call_nights, call_slots, effort_nights, effort_slots
from anura_base.config.settings import Site
from anura_edge.nights import SLOTS_PER_HOUR, Night, nights, split_at_clock_changes


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of calls and of effort. Both have the columns `site`, `number` (a night or an hour) and `model_sha256`."""

    calls: Subquery
    """With the columns `species`, `calls` and `confirmed`."""
    effort: Subquery
    """With the columns `state`, `seconds`, `measured_s` and `level_dbfs_s`."""


@dataclass(frozen=True, slots=True)
class SlotRange:
    """Consecutive slots of one night of one site."""

    site: str
    first: int
    end: int
    zero: int
    """The ordinal of the night's date; for sums by hour, the slot from which hours are counted."""


def night_sums(connection: Connection, sites: Mapping[str, Site], first: date, last: date) -> Sums:
    """Return the sums of each night of each site. `number` is the ordinal of the night's date."""
    zones = stored_zones(connection, sites)
    stored = [name for name, zone in zones.items() if sites[name].zone == zone]
    others = {name: site for name, site in sites.items() if zones.get(name) != site.zone}
    ranges = [
        SlotRange(name, night.first_slot, night.end_slot, night.evening.toordinal())
        for name, night in _all_nights(others, first, last)
    ]
    spans = _as_table(ranges) if ranges else None

    def of(stored_table: Table, slots: Table) -> Subquery:
        names = [each.name for each in stored_table.columns][2:]
        within = stored_table.c.evening.between(first.toordinal(), last.toordinal())
        columns = stored_table.c.site, stored_table.c.evening.label("number"), *(stored_table.c[name] for name in names)
        parts = [select(*columns).where(stored_table.c.site.in_(stored), within)]
        if spans is not None:
            parts.append(_of_slots(spans, slots, spans.c.zero, names))
        return union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()

    return Sums(of(call_nights, call_slots), of(effort_nights, effort_slots))


def sunset_sums(sites: Mapping[str, Site], first: date, last: date) -> tuple[Sums | None, int]:
    """Return the sums of each hour since sunset, and the number of nights with a sunset. None without such a night."""
    ranges = [
        SlotRange(name, night.first_slot, night.end_slot, night.sunset_slot)
        for name, night in _all_nights(sites, first, last)
        if night.sunset_slot is not None
    ]
    return _hour_sums(ranges), len(ranges)


def clock_sums(sites: Mapping[str, Site], first: date, last: date) -> Sums | None:
    """Return the sums of each hour since noon on the local clock, also when daylight saving time changes."""
    return _hour_sums(
        [
            SlotRange(name, start, end, noon)
            for name, night in _all_nights(sites, first, last)
            for start, end, noon in split_at_clock_changes(night, sites[name].zone)
        ]
    )


def _hour_sums(ranges: Sequence[SlotRange]) -> Sums | None:
    if not ranges:
        return None
    spans = _as_table(ranges)
    parts = [
        _of_slots(spans, slots, _hour(spans, slots), [each.name for each in slots.columns][2:]).subquery()
        for slots in (call_slots, effort_slots)
    ]
    return Sums(*parts)


def _all_nights(sites: Mapping[str, Site], first: date, last: date) -> Iterable[tuple[str, Night]]:
    return ((name, night) for name, site in sites.items() for night in nights(site, first, last))


def _as_table(ranges: Sequence[SlotRange]) -> CTE:
    names = ("site", "first", "end_", "zero")
    # Literals, not parameters: a season of many sites has more values than a database accepts as parameters.
    rows = values(column("site", Text), *(column(name, Integer) for name in names[1:]), name="v", literal_binds=True)
    return rows.data([(each.site, each.first, each.end, each.zero) for each in ranges]).cte("spans")


def _of_slots(spans: CTE, slots: Table, number: ColumnElement[int], names: Sequence[str]) -> Select[tuple[object, ...]]:
    inside = (slots.c.site == spans.c.site) & (slots.c.slot >= spans.c.first) & (slots.c.slot < spans.c.end_)
    columns = slots.c.site, number.label("number"), *(slots.c[name] for name in names)
    return select(*columns).select_from(spans.join(slots, inside))


_SHIFT_H = 4 * 24
"""Added before a division, so that it rounds down for negative hours, too."""


def _hour(spans: CTE, slots: Table) -> ColumnElement[int]:
    return (slots.c.slot - spans.c.zero + _SHIFT_H * SLOTS_PER_HOUR) // SLOTS_PER_HOUR - _SHIFT_H
