"""How each device of the network is, and where the sites are."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Double, func, literal, select

from anura_base.analysis.rollup import MAX_EFFORT_SPAN
from anura_base.config.settings import Site
from anura_base.db.queries import health_with_staleness, missing_row_counts
from anura_base.db.schema import devices, effort, events, unknown_clock
from anura_edge.audio import ClockSource
from anura_edge.wire import Health

RECENT = timedelta(hours=24)

WIDTH, HEIGHT, MARGIN = 760.0, 420.0, 70.0
"""Of the map, in its own units."""

KM_PER_DEGREE = 111.195
"""Of latitude, on a sphere of 6,371 km."""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device, and its last 24 hours."""

    site: str
    device: str
    state: str | None
    last_seen_utc: datetime | None
    app_version: str | None
    model_id: str | None
    model_sha256: str | None
    health: Health | None
    health_is_stale: bool
    calls: int
    level_dbfs: float | None
    """The mean level of its calls."""
    hours: Mapping[str, float]
    """Hours in each state of effort."""
    clocks: Sequence[str]
    """Where its times come from, the most frequent first."""
    rows_without_time: int
    """Rows of any age that wait for their time."""
    missing: int
    """Rows that will not come any more."""

    @property
    def needs_attention(self) -> bool:
        """Whether a person should see to it."""
        unwell = self.health is not None and (bool(self.health.problems) or self.health_is_stale)
        return self.state != "online" or unwell or bool(self.missing)


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A site on the map."""

    name: str
    title: str
    x: float
    y: float
    right: bool
    """Whether its name stands right of it."""


@dataclass(frozen=True, slots=True)
class SiteMap:
    """Where the sites are, seen from above, north up. An equirectangular projection, true in the middle."""

    places: Sequence[MapPoint]
    bar_km: float
    bar_width: float
    sites_without_position: Sequence[str]
    """Sites whose place nobody has said."""


def device_statuses(connection: Connection, sites: Mapping[str, Site]) -> list[DeviceStatus]:
    """Return every device, by site and name."""
    since = datetime.now(UTC) - RECENT
    said, missing = health_with_staleness(connection), missing_row_counts(connection)
    calls, levels = _calls(connection, sites, since)
    hours, clocks = _hours(connection, sites, since)
    timeless = _timeless(connection)
    found = []
    for row in connection.execute(select(devices).order_by(devices.c.site, devices.c.device)):
        key = row.site, row.device
        health, stale = said.get(key, (None, False))
        found.append(
            DeviceStatus(
                *key,
                row.state,
                row.last_seen_utc,
                row.app_version,
                row.model_id,
                row.model_sha256,
                health,
                stale,
                calls.get(key, 0),
                levels.get(key),
                hours[key],
                [source for source, _ in clocks[key].most_common()],
                timeless.get(key, 0),
                missing.get(key, 0),
            )
        )
    return found


Key = tuple[str, str]


def _calls(
    connection: Connection, sites: Mapping[str, Site], since: datetime
) -> tuple[dict[Key, int], dict[Key, float]]:
    """Return how many calls each device had, and their mean level."""
    c = events.c
    query = select(c.site, c.device, func.count(), func.avg(c.level_dbfs)).where(
        c.site.in_(sites), c.start_utc >= since, ~unknown_clock(events)
    )
    counts: dict[Key, int] = {}
    levels: dict[Key, float] = {}
    for site, device, count, level in connection.execute(query.group_by(c.site, c.device)):
        counts[site, device], levels[site, device] = count, level
    return counts, levels


def _hours(
    connection: Connection, sites: Mapping[str, Site], since: datetime
) -> tuple[dict[Key, Counter[str]], dict[Key, Counter[str]]]:
    """Return the hours of each device in each state of effort, and where the times of its rows come from."""
    c = effort.c
    seconds = c.samples * literal(1.0, Double) / c.rate_hz
    query = select(c.site, c.device, c.state, c.clock_source, c.start_utc, seconds)
    hours: dict[Key, Counter[str]] = defaultdict(Counter)
    clocks: dict[Key, Counter[str]] = defaultdict(Counter)
    for site, device, state, clock, start, length_s in connection.execute(
        query.where(c.site.in_(sites), c.start_utc > since - MAX_EFFORT_SPAN)
    ):
        before_s = max((since - start).total_seconds(), 0.0)
        if before_s < length_s and clock != ClockSource.UNKNOWN:
            hours[site, device][state] += (length_s - before_s) / 3_600
        if start >= since:
            clocks[site, device][clock] += 1
    return hours, clocks


def _timeless(connection: Connection) -> dict[Key, int]:
    rows: dict[Key, int] = defaultdict(int)
    for table in (events, effort):
        c = table.c
        query = select(c.site, c.device, func.count()).where(unknown_clock(table)).group_by(c.site, c.device)
        for site, device, count in connection.execute(query):
            rows[site, device] += count
    return rows


def project_sites(sites: Mapping[str, Site]) -> SiteMap:
    """Place the sites that say where they are."""
    where = {
        name: (site.longitude_deg, site.latitude_deg)
        for name, site in sites.items()
        if site.longitude_deg is not None and site.latitude_deg is not None
    }
    placeless = [name for name in sites if name not in where]
    if not where:
        return SiteMap((), 0, 0, placeless)
    # Across the date line 179 and -179 degrees are neighbours: counted from the first site on, they are.
    start = next(iter(where.values()))[0]
    east = {name: (longitude - start + 180) % 360 - 180 for name, (longitude, _) in where.items()}
    middle = _middle([latitude for _, latitude in where.values()])
    squeeze = max(math.cos(math.radians(middle)), 0.01)
    x_km = {name: degrees * KM_PER_DEGREE * squeeze for name, degrees in east.items()}
    y_km = {name: latitude * KM_PER_DEGREE for name, (_, latitude) in where.items()}
    wide, high = (max(axis.values()) - min(axis.values()) for axis in (x_km, y_km))
    # Sites that stand together are drawn as if a kilometre were the least that a map shows.
    scale = min((WIDTH - 2 * MARGIN) / max(wide, 1.0), (HEIGHT - 2 * MARGIN) / max(high, 0.5))
    x0, y0 = _middle(list(x_km.values())), _middle(list(y_km.values()))
    places = [
        MapPoint(
            name,
            sites[name].title or name,
            round(WIDTH / 2 + (x_km[name] - x0) * scale, 1),
            round(HEIGHT / 2 - (y_km[name] - y0) * scale, 1),
            x_km[name] <= x0,
        )
        for name in where
    ]
    bar_km = _round_down(150 / scale)
    return SiteMap(places, bar_km, bar_km * scale, placeless)


def _middle(values: Sequence[float]) -> float:
    return (min(values) + max(values)) / 2


def _round_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9))
