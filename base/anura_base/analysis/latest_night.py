"""The species of one night at all sites."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from anura_base.analysis.rollup_tables import call_slots
from anura_base.config.settings import Site
from anura_edge.nights import night


@dataclass(frozen=True, slots=True)
class NightCalls:
    """The calls of one species in one night."""

    species: str
    calls: int
    sites: int
    """Number of sites where it was detected."""


def calls_of_night(connection: Connection, sites: Mapping[str, Site], evening: date) -> list[NightCalls]:
    """Return the species of a night, the most frequent first. Each site has the night of its own time zone."""
    zones: dict[str, list[str]] = defaultdict(list)
    for name, site in sites.items():
        zones[site.zone].append(name)
    calls: dict[str, int] = defaultdict(int)
    found_at: dict[str, set[str]] = defaultdict(set)
    c = call_slots.c
    for zone, names in zones.items():
        this = night(Site(zone=zone), evening)
        query = select(c.site, c.species, c.calls).where(
            c.site.in_(names), c.slot >= this.first_slot, c.slot < this.end_slot, c.calls > 0
        )
        for name, species, number in connection.execute(query):
            calls[species] += number
            found_at[species].add(name)
    found = [NightCalls(species, number, len(found_at[species])) for species, number in calls.items()]
    return sorted(found, key=lambda each: (-each.calls, each.species))
