"""Find what differs, in one night, from a site's own history, each with its evidence. `anomaly_rules` has the rules."""

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
    amounts = heatmaps.calls_and_effort(connection, heatmaps.night_ranges(sites, first, evening))
    columns = range(first.toordinal(), evening.toordinal() + 1)
    nights = [_of_site(amounts, name, columns) for name in sites]
    found = [_with_score(connection, sites, each) for site in nights for rule in RULES for each in rule(site)]
    order = list(AnomalyKind)
    return sorted(found, key=lambda each: (order.index(each.kind), each.site))


def _of_site(amounts: CallsAndEffort, name: str, columns: range) -> SiteNights:
    return SiteNights(
        site=name,
        tonight=columns[-1],
        columns=columns,
        levels_dbfs={n: level for (site, n), level in amounts.levels_dbfs.items() if site == name},
        hours={(state, model, n): h for (site, state, model, n), h in amounts.hours.items() if site == name},
        calls={
            (species, model, n): count for (site, species, model, n), count in amounts.calls.items() if site == name
        },
    )


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
