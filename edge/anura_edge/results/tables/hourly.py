"""Bouts and effort of each hour of the local clock, or of each hour since sunset."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from anura_edge.nights import Place
from anura_edge.results.rows import Bout, RowFilter, SiteEffort
from anura_edge.results.tables.bins import Bin, BinAt, effort_h


@dataclass(frozen=True, slots=True)
class SpeciesHour:
    """One species in one hour of a night at one site. An hour without effort has no row."""

    site: str
    night: date
    hour: int
    """Hour of the local clock, 0 to 23; or hours since sunset, negative before it."""
    species: str
    effort_h: float
    """Hours analysed in this hour. Above 1 with several devices."""
    bouts: int


def hourly_table(
    bouts: Iterable[Bout],
    spans: Iterable[SiteEffort],
    places: Mapping[str, Place],
    row_filter: RowFilter,
    bin_at: BinAt,
) -> list[SpeciesHour]:
    """Return a row for each site, night, hour with effort and species, also for hours without a call.

    `bin_at` is `bins.clock_bin` or `bins.sunset_bin`. A bout belongs to the hour in which it begins.
    """
    hours = {
        key: total
        for key, total in effort_h(spans, places, bin_at).items()
        if row_filter.has_night(key[1].night) and total > 0
    }
    counts: dict[str, Counter[tuple[str, Bin]]] = {}
    for bout in bouts:
        found, _ = bin_at(places[bout.owner.site], bout.start_utc)
        of_species = counts.setdefault(bout.name, Counter())
        if found:
            of_species[bout.owner.site, found] += 1
    return [
        SpeciesHour(site, found.night, found.hour or 0, species, total, counts[species][site, found])
        for (site, found), total in sorted(hours.items())
        for species in sorted(counts)
    ]
