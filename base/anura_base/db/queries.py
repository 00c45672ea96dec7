"""What the page and the API read."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Double, Table, cast, func, select

from anura_base.db.schema import devices, effort, events, health, journals
from anura_edge.events import EffortState
from anura_edge.wire import Health

MISSED = 3
"""A device that has left out this many messages about its health may be anything but well."""

MAX_STALE_S = 7 * 24 * 3600.0
"""Whatever a device says about when the next one comes."""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device, and what has come from it."""

    site: str
    device: str
    state: str | None
    """`online`, `offline`, or None when it never said."""
    last_seen_utc: datetime | None
    app_version: str | None
    model_id: str | None
    events: int
    effort_h: dict[str, float]
    """Hours of sound in each state of effort."""
    missing: int
    """Rows that the device gave up before they came."""
    health: Health | None
    """What it last said about itself."""
    health_is_stale: bool
    """Whether that is too old to count on."""


def rows_after(connection: Connection, table: Table, arrival: int, limit: int) -> list[dict[str, Any]]:
    """Return rows in the order in which they arrived, from the one after `arrival`."""
    query = select(table).where(table.c.arrival > arrival).order_by(table.c.arrival).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def device_views(connection: Connection) -> list[DeviceView]:
    """Return every device, by site and name."""
    calls, hours = _calls(connection), _effort_h(connection)
    missing, said = missing_row_counts(connection), latest_health(connection)
    return [
        DeviceView(
            site=row.site,
            device=row.device,
            state=row.state,
            last_seen_utc=row.last_seen_utc,
            app_version=row.app_version,
            model_id=row.model_id,
            events=calls.get((row.site, row.device), 0),
            effort_h={state: hours.get((row.site, row.device, state), 0.0) for state in EffortState},
            missing=missing.get((row.site, row.device), 0),
            health=(last := said.get((row.site, row.device), (None, None)))[0],
            health_is_stale=_is_stale(*last),
        )
        for row in connection.execute(select(devices).order_by(devices.c.site, devices.c.device))
    ]


def health_with_staleness(connection: Connection) -> dict[tuple[str, str], tuple[Health, bool]]:
    """Return what each device last said about itself, and whether that is too old to count on."""
    return {key: (said, _is_stale(said, received)) for key, (said, received) in latest_health(connection).items()}


def latest_health(connection: Connection) -> dict[tuple[str, str], tuple[Health, datetime | None]]:
    """Return what each device last said about itself, and when it came; None where the broker had kept it for us."""
    return {
        (site, device): (Health.model_validate_json(message), received_utc)
        for site, device, received_utc, message in connection.execute(select(health))
    }


def _is_stale(said: Health | None, received_utc: datetime | None) -> bool:
    if said is None or received_utc is None:
        return said is not None
    return datetime.now(UTC) - received_utc > timedelta(seconds=min(MISSED * said.every_s, MAX_STALE_S))


def _calls(connection: Connection) -> dict[tuple[str, str], int]:
    query = select(events.c.site, events.c.device, func.count()).group_by(events.c.site, events.c.device)
    return {(site, device): count for site, device, count in connection.execute(query)}


def _effort_h(connection: Connection) -> dict[tuple[str, str, str], float]:
    # An hour that two models heard, one after the other, is one hour of sound.
    c = effort.c
    sound = select(c.site, c.device, c.state, c.recording, c.first_sample, c.samples, c.rate_hz).distinct().subquery()
    hours = func.sum(cast(sound.c.samples, Double) / sound.c.rate_hz) / 3600
    group = sound.c.site, sound.c.device, sound.c.state
    return {
        (site, device, state): h
        for site, device, state, h in connection.execute(select(*group, hours).group_by(*group))
    }


def missing_row_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many rows of each device will not come any more."""
    # Summed here, not in SQL: a device may declare any floor, and SQLite's sum fails beyond 63 bits.
    total: dict[tuple[str, str], int] = {}
    for site, device, missing in connection.execute(select(journals.c.site, journals.c.device, journals.c.missing)):
        total[site, device] = total.get((site, device), 0) + missing
    return total
