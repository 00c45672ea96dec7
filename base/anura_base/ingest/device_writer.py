"""Write what messages contain about the devices themselves: last seen, status and health."""

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, true, tuple_

from anura_base.db.device_tables import health_hours
from anura_base.db.engine import insert_new, insert_or_update, key_matches
from anura_base.db.schema import devices, health, journals
from anura_base.ingest.messages import DecodedMessage, DeviceKey
from anura_edge.errors import DeliveryError
from anura_edge.wire import Health, Status

MAX_HEALTH_HOURS = 24 * 92
"""Hours of health that are stored for each device."""

MAX_DEVICES = 10_000
MAX_SITE_DEVICES = 1_000
"""Without access rules at the broker a device can use any name and any site. No real network has more devices."""

_HEALTH_COLUMNS = {column.name for column in health_hours.c} - {"site", "device", "hour"}
_STATUS_COLUMNS = {"state", "app_version", "model_id", "model_version", "model_sha256"}
_STATUS_COLUMNS |= {"latitude_deg", "longitude_deg", "zone"}


def store_devices(connection: Connection, messages: Sequence[DecodedMessage]) -> None:
    """Insert or update the device of each message. Raises DeliveryError if there is no room for a new device."""
    values: defaultdict[DeviceKey, dict[str, Any]] = defaultdict(dict)
    for message in messages:
        values[message.device_key] |= _device_columns(message)
    query = select(devices.c.site, devices.c.device).where(tuple_(devices.c.site, devices.c.device).in_([*values]))
    if new := values.keys() - {DeviceKey(site, device) for site, device in connection.execute(query)}:
        _make_room(connection, new, {message.device_key for message in messages if message.journal_key})
    by_columns: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for key, columns in values.items():
        by_columns[tuple(sorted(columns))].append({**key._asdict(), **columns})
    for rows in by_columns.values():
        insert_or_update(connection, devices, rows)


def _make_room(connection: Connection, new: Set[DeviceKey], with_rows: Set[DeviceKey]) -> None:
    """Raise DeliveryError if there are too many devices. A device with rows takes the place of one without any."""
    by_site = Counter(key.site for key in new).items()
    limits: list[tuple[int, int, ColumnElement[bool], str]] = [(MAX_DEVICES, len(new), true(), "in all")]
    limits += [(MAX_SITE_DEVICES, added, devices.c.site == site, f"at the site {site}") for site, added in by_site]
    for limit, added, where, place in limits:
        excess = (connection.scalar(select(func.count()).select_from(devices).where(where)) or 0) + added - limit
        if excess > 0 and not (new <= with_rows and _remove_without_rows(connection, where, excess)):
            remedy = "remove those that do not exist with `anura-base device remove`"
            raise DeliveryError(f"there are {limit:,} devices {place}; {remedy}")


def _remove_without_rows(connection: Connection, where: ColumnElement[bool], number: int) -> bool:
    """Remove the devices that have never sent rows, those not seen for longest first. Return whether there are enough.

    They exist only because of a status or health message, which any name can send.
    """
    same_device = journals.c.site == devices.c.site, journals.c.device == devices.c.device
    unused = select(devices.c.site, devices.c.device).where(where, ~exists().where(*same_device))
    oldest_first = devices.c.last_seen_utc.is_not(None), devices.c.last_seen_utc, devices.c.device
    found = connection.execute(unused.order_by(*oldest_first).limit(number)).all()
    for table in (health, health_hours, devices):
        key = tuple_(table.c.site, table.c.device)
        connection.execute(delete(table).where(key.in_([tuple(row) for row in found])))
    return len(found) == number


def _device_columns(message: DecodedMessage) -> dict[str, Any]:
    seen = {} if message.raw.retained else {"last_seen_utc": message.raw.received_utc}
    if not isinstance(message.content, Status):
        return seen
    columns = message.content.model_dump(include=_STATUS_COLUMNS, exclude_none=True)
    # The broker, not the device, sends `offline`; and it sends a retained status at each subscription.
    return {**columns, **(seen if message.content.state == "online" else {})}


def store_health(connection: Connection, messages: Sequence[DecodedMessage]) -> None:
    """Store the latest health report of each device."""
    retained: dict[DeviceKey, dict[str, Any]] = {}
    live: dict[DeviceKey, dict[str, Any]] = {}
    for message in messages:
        if isinstance(message.content, Health):
            key = message.device_key
            row = {**key._asdict(), "message": message.content.to_bytes().decode()}
            if message.raw.retained:  # of unknown age, so it never replaces a report that we have
                retained.setdefault(key, {**row, "received_utc": None})
            else:
                live[key] = {**row, "received_utc": message.raw.received_utc}
    insert_new(connection, health, [*retained.values()])
    insert_or_update(connection, health, [*live.values()])
    _store_hours(connection, messages)


def _store_hours(connection: Connection, messages: Sequence[DecodedMessage]) -> None:
    """Store the last report of each device in this hour, and delete the oldest hours beyond MAX_HEALTH_HOURS."""
    rows: dict[tuple[DeviceKey, int], dict[str, Any]] = {}
    for message in messages:
        if isinstance(message.content, Health) and not message.raw.retained:
            hour = int(message.raw.received_utc.timestamp() // 3_600)
            values = message.content.model_dump(include=_HEALTH_COLUMNS)
            rows[message.device_key, hour] = {**message.device_key._asdict(), "hour": hour, **values}
    insert_or_update(connection, health_hours, [*rows.values()])
    for key in {key for key, _ in rows}:
        of_device = key_matches(health_hours, key._asdict())
        # By number and not by date, because a clock may be wrong.
        kept = select(health_hours.c.hour).where(*of_device).order_by(health_hours.c.hour.desc())
        oldest = connection.scalar(kept.offset(MAX_HEALTH_HOURS - 1).limit(1))
        if oldest is not None:
            connection.execute(delete(health_hours).where(*of_device, health_hours.c.hour < oldest))
