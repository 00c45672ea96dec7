"""Every device with what the base station has received from it, as the API returns it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, tuple_

from anura_base.analysis.effort import hours_by_state
from anura_base.db.queries import latest_health, missing_row_counts, present_states
from anura_base.db.schema import devices, events
from anura_edge.events import EffortState
from anura_edge.wire import Health, is_stale


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device and what the base station has received from it."""

    site: str
    device: str
    state: str | None
    """`online`, `offline`, or `unknown` without recent messages; None if the device has never sent a status."""
    last_seen_utc: datetime | None
    app_version: str | None
    model_id: str | None
    events: int
    effort_h: dict[str, float]
    """Hours of audio in each state of effort."""
    missing: int
    """Rows that the device deleted before the base station received them."""
    health: Health | None
    """Its last health message."""
    health_is_stale: bool
    """Whether that message is too old to be trusted."""


def device_views(
    connection: Connection, after: tuple[str, str] = ("", ""), limit: int | None = None
) -> list[DeviceView]:
    """Return at most `limit` devices, by site and name, from the one after the site and name `after`."""
    key = tuple_(devices.c.site, devices.c.device)
    query = select(devices).where(key > after).order_by(devices.c.site, devices.c.device).limit(limit)
    rows = connection.execute(query).all()
    sites = {row.site for row in rows}
    calls, hours = _calls(connection, sites), hours_by_state(connection, sites)
    missing, reports = missing_row_counts(connection), health_with_staleness(connection)
    states = present_states(connection, datetime.now(UTC))
    views = []
    for row in rows:
        key_of_row = row.site, row.device
        health, stale = reports.get(key_of_row, (None, False))
        views.append(
            DeviceView(
                site=row.site,
                device=row.device,
                state=states.get(key_of_row),
                last_seen_utc=row.last_seen_utc,
                app_version=row.app_version,
                model_id=row.model_id,
                events=calls.get(key_of_row, 0),
                effort_h={state: hours.get((*key_of_row, state), 0.0) for state in EffortState},
                missing=missing.get(key_of_row, 0),
                health=health,
                health_is_stale=stale,
            )
        )
    return views


def health_with_staleness(connection: Connection) -> dict[tuple[str, str], tuple[Health, bool]]:
    """Return the last health message of each (site, device), and whether it is stale."""
    now = datetime.now(UTC)
    return {
        key: (report, is_stale(report, received_utc, now))
        for key, (report, received_utc) in latest_health(connection).items()
    }


def _calls(connection: Connection, sites: Collection[str]) -> dict[tuple[str, str], int]:
    query = select(events.c.site, events.c.device, func.count()).where(events.c.site.in_(sites))
    query = query.group_by(events.c.site, events.c.device)
    return {(site, device): count for site, device, count in connection.execute(query)}
