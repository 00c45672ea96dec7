"""The state of each device in the last 24 hours, for the page of the network."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from anura_base.analysis.devices import health_with_staleness
from anura_base.analysis.last_day import DeviceKey, hours_of_last_day, starts_in_last_day
from anura_base.analysis.verdicts import REVIEWED_EVENTS, reviews
from anura_base.config.settings import Site
from anura_base.db.queries import is_retired, missing_row_counts, present_states
from anura_base.db.schema import devices, events
from anura_edge.events import Verdict
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
    hours: Mapping[str, float]
    """Hours of audio in each state of effort."""
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
    calls, hours = _calls(connection, sites, now), hours_of_last_day(connection, sites, now)
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
                hours=hours.get(key, {}),
                missing=missing.get(key, 0),
                retired=is_retired(row.retired_utc, row.last_seen_utc),
            )
        )
    return found


def _calls(connection: Connection, sites: Mapping[str, Site], now: datetime) -> Counter[DeviceKey]:
    """Return the number of calls of each device that count."""
    c = events.c
    # All calls less the rejected ones: to look for the verdict of each call takes longer than to count them.
    query = select(c.site, c.device, func.count()).where(*starts_in_last_day(sites, now)).group_by(c.site, c.device)
    rejected = query.select_from(REVIEWED_EVENTS).where(reviews.c.verdict == Verdict.REJECTED)
    counts: Counter[DeviceKey] = Counter()
    for sign, each in ((1, query), (-1, rejected)):
        for site, device, count in connection.execute(each):
            counts[site, device] += sign * count
    return counts
