"""Find what differs, in one night, from a site's own history, each with its evidence. `anomaly_rules` has the rules."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import Connection, func, select

from anura_base.analysis import heatmaps
from anura_base.analysis.anomaly_rules import HISTORY_NIGHTS, RULES, Anomaly, AnomalyKind, SiteNights
from anura_base.analysis.heatmaps import CallsAndEffort
from anura_base.analysis.verdicts import COUNTED_SPECIES, JUDGED_EVENTS, is_counted
from anura_base.config.settings import Site
from anura_base.db.schema import events, unknown_clock
from anura_edge.nights import night


def find_anomalies(connection: Connection, sites: Mapping[str, Site], evening: date) -> list[Anomaly]:
    """Compare one night of every site with the nights before it. Return the anomalies by kind, then by site."""
    first = evening - timedelta(days=HISTORY_NIGHTS)
    amounts = heatmaps.calls_and_effort(connection, sites, first, evening)
    columns = range(first.toordinal(), evening.toordinal() + 1)
    nights = _by_site(amounts, columns)
    found = [_with_score(connection, sites, each) for site in nights for rule in RULES for each in rule(site)]
    order = list(AnomalyKind)
    return sorted(found, key=lambda each: (order.index(each.kind), each.site))


def _by_site(amounts: CallsAndEffort, columns: range) -> list[SiteNights]:
    """Return the nights of each site that has any data: without data, no rule finds anything."""
    levels: dict[str, dict[int, float]] = defaultdict(dict)
    hours: dict[str, dict[tuple[str, str, int], float]] = defaultdict(dict)
    calls: dict[str, dict[tuple[str, str, int], int]] = defaultdict(dict)
    for (name, column), level in amounts.levels_dbfs.items():
        levels[name][column] = level
    for (name, state, model, column), amount in amounts.hours.items():
        hours[name][state, model, column] = amount
    for (name, species, model, column), count in amounts.calls.items():
        calls[name][species, model, column] = count
    return [
        SiteNights(name, columns[-1], columns, hours[name], calls[name], levels[name])
        for name in sorted(hours.keys() | calls.keys())
    ]


def _with_score(connection: Connection, sites: Mapping[str, Site], found: Anomaly) -> Anomaly:
    """Add the highest score of the night to the evidence for a new species."""
    if found.kind is not AnomalyKind.SPECIES:
        return found
    period, c = night(sites[found.site], found.evening), events.c
    best = connection.scalar(
        select(func.max(c.p_peak))
        .select_from(JUDGED_EVENTS)
        .where(
            c.site == found.site,
            c.start_utc >= period.begin_utc,
            c.start_utc < period.end_utc,
            COUNTED_SPECIES.in_([found.species]),
            is_counted(),
            ~unknown_clock(events),
        )
    )
    return replace(found, evidence=[*found.evidence, ("highest score", f"{best or 0:.2f}")])
