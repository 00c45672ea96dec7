"""The state of each device in the last 24 hours, for the page of the network."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from anura_base.analysis.devices import health_with_staleness
from anura_base.analysis.last_day import LAST_DAY, DeviceKey, calls_of_last_day, hours_of_last_day
from anura_base.analysis.verdicts import JUDGED_EVENTS
from anura_base.config.settings import Site
from anura_base.db.queries import is_retired, missing_row_counts, present_states
from anura_base.db.schema import devices, effort, events, unknown_clock
from anura_edge.wire import Health


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device and its last 24 hours."""

    site: str
    device: str
    state: str | None
    """`online`, `offline`, or `unknown` without recent messages; None if the device has never sent a status."""
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
    """Hours of audio in each state of effort."""
    clocks: Sequence[str]
    """The clock sources of its rows, the most frequent first."""
    rows_without_time: int
    """Rows of any age whose clock source is `unknown`."""
    missing: int
    """Rows that are lost: the device deleted them before they were received."""
    retired: bool
    """Whether a person took it out of use."""

    @property
    def problems(self) -> list[str]:
        """Return what a person should check, for people."""
        found = [] if self.state == "online" else [f"the device is {self.state or 'of unknown state'}"]
        if self.health_is_stale:
            found.append("the last health message is old")
        if self.health is not None:
            found += self.health.problems
        if self.missing:
            found.append(f"{self.missing:,} rows are missing")
        return found

    @property
    def needs_attention(self) -> bool:
        """Whether a person should check the device."""
        return not self.retired and bool(self.problems)


def device_statuses(
    connection: Connection, sites: Mapping[str, Site], only: DeviceKey | None = None
) -> list[DeviceStatus]:
    """Return every device, or `only` one, by site and name. `sites` are all sites."""
    if only is not None:
        sites = {name: site for name, site in sites.items() if name == only[0]}
    now = datetime.now(UTC)
    states = present_states(connection, now)
    reports, missing = health_with_staleness(connection), missing_row_counts(connection)
    calls, levels = _calls(connection, sites, now)
    hours, clocks = hours_of_last_day(connection, sites, now), _clocks(connection, sites, now)
    without_time = _rows_without_time(connection)
    found = []
    for row in connection.execute(select(devices).order_by(devices.c.site, devices.c.device)):
        key = row.site, row.device
        if only not in {None, key}:
            continue
        health, stale = reports.get(key, (None, False))
        found.append(
            DeviceStatus(
                site=row.site,
                device=row.device,
                state=states.get(key),
                last_seen_utc=row.last_seen_utc,
                app_version=row.app_version,
                model_id=row.model_id,
                model_sha256=row.model_sha256,
                health=health,
                health_is_stale=stale,
                calls=calls.get(key, 0),
                level_dbfs=levels.get(key),
                hours=hours.get(key, {}),
                clocks=[source for source, _ in clocks[key].most_common()],
                rows_without_time=without_time[key],
                missing=missing.get(key, 0),
                retired=is_retired(row.retired_utc, row.last_seen_utc),
            )
        )
    return found


def _calls(
    connection: Connection, sites: Mapping[str, Site], now: datetime
) -> tuple[dict[DeviceKey, int], dict[DeviceKey, float]]:
    """Return the number of calls of each device, and their mean level in dBFS."""
    c = events.c
    query = select(c.site, c.device, func.count(), func.avg(c.level_dbfs)).select_from(JUDGED_EVENTS)
    query = query.where(*calls_of_last_day(sites, now))
    counts: dict[DeviceKey, int] = {}
    levels: dict[DeviceKey, float] = {}
    for site, device, count, level in connection.execute(query.group_by(c.site, c.device)):
        counts[site, device], levels[site, device] = count, level
    return counts, levels


def _clocks(connection: Connection, sites: Mapping[str, Site], now: datetime) -> dict[DeviceKey, Counter[str]]:
    """Return how many rows of effort of the last 24 hours have each clock source."""
    c = effort.c
    # Counted here: for GROUP BY, SQLite reads all rows of every device in the order of another index.
    query = select(c.site, c.device, c.clock_source).where(c.site.in_(sites), c.start_utc >= now - LAST_DAY)
    clocks: dict[DeviceKey, Counter[str]] = defaultdict(Counter)
    for site, device, clock in connection.execute(query):
        clocks[site, device][clock] += 1
    return clocks


def _rows_without_time(connection: Connection) -> Counter[DeviceKey]:
    rows: Counter[DeviceKey] = Counter()
    for table in (events, effort):
        c = table.c
        query = select(c.site, c.device, func.count()).where(unknown_clock(table)).group_by(c.site, c.device)
        for site, device, count in connection.execute(query):
            rows[site, device] += count
    return rows
