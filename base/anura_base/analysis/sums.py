"""Calls and effort by night: the stored sums where they are right, else the quarters of an hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import (
    CTE,
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
from anura_edge.nights import nights


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of calls and of effort. Both have the columns `site`, `number` and `model_sha256`."""

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
    evening: int
    """The ordinal of the night's date."""


def night_sums(connection: Connection, sites: Mapping[str, Site], first: date, last: date) -> Sums:
    """Return the sums of each night of each site. `number` is the ordinal of the night's date."""
    zones = stored_zones(connection, sites)
    stored = [name for name, zone in zones.items() if sites[name].zone == zone]
    ranges = [
        SlotRange(name, night.first_slot, night.end_slot, night.evening.toordinal())
        for name, site in sites.items()
        if zones.get(name) != site.zone
        for night in nights(site, first, last)
    ]
    spans = _as_table(ranges) if ranges else None

    def of(stored_table: Table, slots: Table) -> Subquery:
        names = [each.name for each in stored_table.columns][2:]
        within = stored_table.c.evening.between(first.toordinal(), last.toordinal())
        columns = stored_table.c.site, stored_table.c.evening.label("number"), *(stored_table.c[name] for name in names)
        parts = [select(*columns).where(stored_table.c.site.in_(stored), within)]
        if spans is not None:
            parts.append(_of_slots(spans, slots, names))
        return union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()

    return Sums(of(call_nights, call_slots), of(effort_nights, effort_slots))


def _as_table(ranges: Sequence[SlotRange]) -> CTE:
    names = ("site", "first", "end_", "evening")
    # Literals, not parameters: a season of many sites has more values than a database accepts as parameters.
    rows = values(column("site", Text), *(column(name, Integer) for name in names[1:]), name="v", literal_binds=True)
    return rows.data([(each.site, each.first, each.end, each.evening) for each in ranges]).cte("spans")


def _of_slots(spans: CTE, slots: Table, names: Sequence[str]) -> Select[tuple[object, ...]]:
    inside = (slots.c.site == spans.c.site) & (slots.c.slot >= spans.c.first) & (slots.c.slot < spans.c.end_)
    columns = slots.c.site, spans.c.evening.label("number"), *(slots.c[name] for name in names)
    return select(*columns).select_from(spans.join(slots, inside))
