"""Every device with what the base station has received from it, as the API returns it."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

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


def device_views(connection: Connection) -> list[DeviceView]:
    """Return every device, by site and name."""
    calls, hours = _calls(connection), hours_by_state(connection)
    missing, reports = missing_row_counts(connection), health_with_staleness(connection)
    states = present_states(connection, datetime.now(UTC))
    views = []
    for row in connection.execute(select(devices).order_by(devices.c.site, devices.c.device)):
        key = row.site, row.device
        health, stale = reports.get(key, (None, False))
        views.append(
            DeviceView(
                site=row.site,
                device=row.device,
                state=states.get(key),
                last_seen_utc=row.last_seen_utc,
                app_version=row.app_version,
                model_id=row.model_id,
                events=calls.get(key, 0),
                effort_h={state: hours.get((*key, state), 0.0) for state in EffortState},
                missing=missing.get(key, 0),
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


def _calls(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(events.c.site, events.c.device, func.count()).group_by(events.c.site, events.c.device)
    return {(site, device): count for site, device, count in connection.execute(query)}
