"""Write what messages contain about the devices themselves: last seen, status and health."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, tuple_

from anura_base.db.engine import insert_new, insert_or_update
from anura_base.db.schema import devices, health
from anura_base.ingest.messages import DecodedMessage, DeviceKey
from anura_edge.errors import DeliveryError
from anura_edge.wire import Health, Status

MAX_DEVICES = 10_000
"""A device can use any site name as its own. No real network has more devices."""

_STATUS_COLUMNS = {"state", "app_version", "model_id", "model_sha256", "latitude_deg", "longitude_deg", "zone"}


def store_devices(connection: Connection, messages: Sequence[DecodedMessage]) -> None:
    """Insert or update the device of each message. Raises DeliveryError beyond MAX_DEVICES."""
    values: defaultdict[DeviceKey, dict[str, Any]] = defaultdict(dict)
    for message in messages:
        values[message.device_key] |= _device_columns(message)
    query = select(devices.c.site, devices.c.device).where(tuple_(devices.c.site, devices.c.device).in_([*values]))
    new = values.keys() - {DeviceKey(site, device) for site, device in connection.execute(query)}
    if new and (connection.scalar(select(func.count()).select_from(devices)) or 0) + len(new) > MAX_DEVICES:
        raise DeliveryError(f"there are {MAX_DEVICES} devices; delete those that do not exist")
    by_columns: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for key, columns in values.items():
        by_columns[tuple(sorted(columns))].append({**key._asdict(), **columns})
    for rows in by_columns.values():
        insert_or_update(connection, devices, rows)


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
