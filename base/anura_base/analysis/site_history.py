"""A site over its last nights: calls, species and analysed hours of each night, from the stored sums."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, select

from anura_base.analysis.effort import S_PER_HOUR
from anura_base.analysis.rollup_tables import call_slots, effort_slots
from anura_base.config.settings import Site
from anura_edge.events import EffortState
from anura_edge.nights import SLOT_S, night, night_date, slot


@dataclass(frozen=True, slots=True)
class SiteNight:
    """One night of a site."""

    evening: date
    analysed_h: float
    calls: int
    species: int

    @property
    def calls_per_hour(self) -> float | None:
        """Calls per hour of analysed audio; None without any."""
        return self.calls / self.analysed_h if self.analysed_h else None


def read_site_nights(connection: Connection, name: str, site: Site, now: datetime, nights: int) -> list[SiteNight]:
    """Return the last nights of a site, the newest first."""
    last = night_date(now, site)
    evenings = [last - timedelta(days=age) for age in range(nights)]
    first, end = slot(night(site, evenings[-1]).begin_utc), slot(now)
    calls: dict[date, int] = defaultdict(int)
    species: dict[date, set[str]] = defaultdict(set)
    c, e = call_slots.c, effort_slots.c
    query = select(c.slot, c.species, c.calls).where(c.site == name, c.slot.between(first, end), c.calls > 0)
    for number, kind, count in connection.execute(query):
        evening = _evening(number, site)
        calls[evening] += count
        species[evening].add(kind)
    seconds: dict[date, float] = defaultdict(float)
    hours = select(e.slot, e.seconds).where(
        e.site == name, e.slot.between(first, end), e.state == EffortState.ANALYSED.value
    )
    for number, length_s in connection.execute(hours):
        seconds[_evening(number, site)] += length_s
    return [
        SiteNight(evening, seconds[evening] / S_PER_HOUR, calls[evening], len(species[evening])) for evening in evenings
    ]


def _evening(number: int, site: Site) -> date:
    return night_date(datetime.fromtimestamp(number * SLOT_S, UTC), site)
