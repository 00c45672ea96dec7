"""Detection histories and effort for occupancy models: one row for each site, one column for each night.

The forms fit unmarked (`unmarkedFrameOccu(y, obsCovs)`), spOccupancy (`data$y`, `data$det.covs`) and the matrices of
camtrapR's `detectionHistory`, which has effort in days or hours.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from anura_edge.nights import Place
from anura_edge.results.rows import Bout, RowFilter, SiteEffort
from anura_edge.results.tables.bins import effort_h, night_at, night_bin


@dataclass(frozen=True, slots=True)
class OccupancyTables:
    """Detection histories of all species, and their common effort."""

    sites: Sequence[str]
    nights: Sequence[date]
    detections: Mapping[str, Sequence[Sequence[int | None]]]
    """For each species: 1, 0 or None for each site and night. None: the site was not sampled in the night."""
    effort_h: Sequence[Sequence[float | None]]
    """Hours analysed for each site and night; None if there are none."""


def occupancy_tables(
    bouts: Iterable[Bout], spans: Iterable[SiteEffort], places: Mapping[str, Place], row_filter: RowFilter
) -> OccupancyTables:
    """Return detection histories: 1 where a bout of the species began, 0 where audio was analysed, else None.

    The columns are the nights of the filter, or those from the first to the last night with effort. A bout in a night
    without analysed audio, as of a clipped recording, does not count: effort and detections have the same gaps.
    """
    hours = {
        (site, found.night): total
        for (site, found), total in effort_h(spans, places, night_bin).items()
        if row_filter.has_night(found.night) and total > 0
    }
    nights = _nights([night for _, night in hours], row_filter)
    found: dict[str, set[tuple[str, date]]] = {}
    for bout in bouts:
        site = bout.owner.site
        found.setdefault(bout.name, set()).add((site, night_at(places[site], bout.start_utc).evening))
    sites = sorted(places)
    detections = {
        name: [[int((site, night) in of) if (site, night) in hours else None for night in nights] for site in sites]
        for name, of in sorted(found.items())
    }
    return OccupancyTables(
        sites, nights, detections, [[hours.get((site, night)) for night in nights] for site in sites]
    )


def _nights(with_effort: Sequence[date], row_filter: RowFilter) -> list[date]:
    if not with_effort:
        return []
    first, last = row_filter.first_night or min(with_effort), row_filter.last_night or max(with_effort)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
