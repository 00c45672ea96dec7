"""What a digest says about one night: per site its species, effort and anomalies, and the devices that need a visit."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from anura_base.analysis.anomalies import find_anomalies
from anura_base.analysis.network_status import device_statuses
from anura_base.analysis.night_timeline import SpeciesTimeline, read_timeline
from anura_base.config.settings import Site
from anura_edge.nights import night


@dataclass(frozen=True, slots=True)
class SpeciesDigest:
    """The calls of one species at a site."""

    name: str
    calls: int
    calls_per_hour: float | None
    """Calls per hour in which at least one device analysed audio; None without such an hour."""
    first: str
    """Local time at which it first called."""
    last: str
    """Local time at which its last call, or chorus, began."""


@dataclass(frozen=True, slots=True)
class SiteDigest:
    """One site in a night."""

    name: str
    title: str
    zone: str
    analysed_h: float
    """Hours in which at least one device analysed audio."""
    species: Sequence[SpeciesDigest]
    """The most frequent first."""
    anomalies: Sequence[str]


@dataclass(frozen=True, slots=True)
class NightDigest:
    """One night of some sites."""

    evening: date
    sites: Sequence[SiteDigest]
    """The sites with audio, calls or anomalies in this night."""
    quiet_sites: int
    """Number of the other sites."""
    visits: Sequence[tuple[str, str]]
    """Devices that need attention now: site and name, and the problems."""

    @property
    def calls(self) -> int:
        """Calls of all sites."""
        return sum(each.calls for site in self.sites for each in site.species)

    @property
    def species(self) -> int:
        """Number of species at all sites."""
        return len({each.name for site in self.sites for each in site.species})

    @property
    def analysed_h(self) -> float:
        """Hours analysed at all sites."""
        return sum(site.analysed_h for site in self.sites)

    @property
    def summary(self) -> str:
        """Return the night in one sentence."""
        return (
            f"{self.evening:%d %B %Y}: {self.calls:,} calls of {self.species} species in {self.analysed_h:,.1f} h at"
            f" {len(self.sites)} sites; {len(self.visits)} devices need attention"
        )


def read_digest(
    connection: Connection, all_sites: Mapping[str, Site], names: Sequence[str], evening: date
) -> NightDigest:
    """Read the digest of a night. `names` are the sites of the digest; without any, all sites."""
    sites = {name: site for name, site in all_sites.items() if not names or name in names}
    anomalies: dict[str, list[str]] = defaultdict(list)
    for anomaly in find_anomalies(connection, sites, evening):
        anomalies[anomaly.site].append(anomaly.what)
    found = [_read_site(connection, name, site, evening, anomalies[name]) for name, site in sites.items()]
    shown = [each for each in found if each.analysed_h or each.species or each.anomalies]
    visits = [
        (f"{sites[each.site].title or each.site} / {each.device}", "; ".join(each.problems))
        for each in device_statuses(connection, all_sites)
        if each.site in sites and each.needs_attention
    ]
    return NightDigest(evening, shown, len(found) - len(shown), visits)


def _read_site(connection: Connection, name: str, site: Site, evening: date, anomalies: Sequence[str]) -> SiteDigest:
    timeline = read_timeline(connection, name, night(site, evening))
    hours = timeline.analysed_s / 3_600
    species = [_species(each, hours, site.zone) for each in timeline.species]
    return SiteDigest(name, site.title or name, site.zone, hours, species, anomalies)


def _species(timeline: SpeciesTimeline, hours: float, zone: str) -> SpeciesDigest:
    first, last = (_clock(timeline.intervals[place][0], zone) for place in (0, -1))
    return SpeciesDigest(timeline.name, timeline.calls, timeline.calls / hours if hours else None, first, last)


def _clock(seconds: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(seconds, ZoneInfo(zone)):%H:%M}"


def due_evening(now: datetime, at: str, zone: str) -> date:
    """Return the night whose digest is due: last night once the time `at` has passed, else the night before it."""
    local = now.astimezone(ZoneInfo(zone))
    return local.date() - timedelta(days=1 if f"{local:%H:%M}" >= at else 2)
