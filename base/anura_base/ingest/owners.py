"""Rename, merge and remove sites and devices: correct a wrong name in the rows that are stored.

The triggers on the rows mark the days whose sums change. Verdicts and clips stay with their events.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, select, tuple_, union, update

from anura_base.clips.blobs import received_bytes
from anura_base.clips.tables import clip_parts, clips
from anura_base.db.device_tables import health_hours
from anura_base.db.engine import insert_new, key_matches
from anura_base.db.schema import (
    devices,
    effort,
    events,
    health,
    incidents,
    journals,
    metadata,
    notices,
    received,
)
from anura_base.ingest import progress_table
from anura_base.ingest.messages import DeviceKey, JournalKey
from anura_base.updates.tables import rollout_devices
from anura_edge.errors import ConfigError

ROWS = (events, effort, notices)

Changes = Counter[str]
"""Number of changed rows by table."""


def owned_tables() -> list[Table]:
    """Return the tables whose rows belong to a device. Incidents stay as they were told."""
    tables = (table for table in metadata.sorted_tables if table is not incidents)
    return [table for table in tables if {"site", "device"} <= set(table.c.keys())]


def devices_of(connection: Connection, site: str) -> list[DeviceKey]:
    """Return the devices of a site, also those of which only rows are left."""
    tables = (devices, journals, *ROWS)
    names = union(*(select(table.c.device).where(table.c.site == site) for table in tables))
    return [DeviceKey(site, device) for device in sorted(connection.scalars(names))]


def count_rows(connection: Connection, device: DeviceKey) -> int:
    """Return how many events, effort rows and notices a device has."""
    counts = (select(func.count()).where(*key_matches(table, device._asdict())) for table in ROWS)
    return sum(connection.scalar(count) or 0 for count in counts)


def rename_site(connection: Connection, old: str, new: str) -> Changes:
    """Give a site a name that no site has. Raises ConfigError if it has one, or if `old` does not exist."""
    if devices_of(connection, new):
        raise ConfigError(f"there is a site {new} already; `anura-base site merge {old} {new}` puts the two together")
    return _move(connection, _existing_devices(connection, old), new)


def merge_sites(connection: Connection, old: str, new: str) -> Changes:
    """Add the devices and rows of a site to another site. Devices of one name become one device.

    Raises ConfigError if one of the sites does not exist.
    """
    if old == new:
        raise ConfigError(f"{old} and {new} are one site; name two")
    _existing_devices(connection, new)
    return _move(connection, _existing_devices(connection, old), new)


def rename_device(connection: Connection, old: DeviceKey, new: str) -> Changes:
    """Give a device another name at its site. If the site has a device of that name, the two become one.

    Raises ConfigError if the device does not exist.
    """
    _check_exists(connection, old)
    return _move_device(connection, old, DeviceKey(old.site, new))


def move_device(connection: Connection, old: DeviceKey, site: str, since: datetime | None) -> Changes:
    """Move a device to another site: with `since` the rows of recordings from this time on, else all of its rows.

    Raises ConfigError if the device does not exist, or is at this site.
    """
    _check_exists(connection, old)
    if old.site == site:
        raise ConfigError(f"{old.site}/{old.device} is at the site {site} already; name another site")
    new = DeviceKey(site, old.device)
    return _move_device(connection, old, new) if since is None else _move_rows(connection, old, new, since)


def _move_rows(connection: Connection, old: DeviceKey, new: DeviceKey, since: datetime) -> Changes:
    """Move rows from a time on. A file that also belongs to an earlier call stays where it is, with its clips."""
    changes: Changes = Counter()
    later = select(events.c.id).where(*key_matches(events, old._asdict()), events.c.start_utc >= since)
    ours = key_matches(clips, old._asdict())
    kept = select(clips.c.sha256).where(*ours, clips.c.event_id.not_in(later), clips.c.sha256.is_not(None))
    files = set(connection.scalars(select(clips.c.sha256).where(*ours, clips.c.event_id.in_(later))))
    for sha256 in files - {None} - set(connection.scalars(kept)):
        for table in (clips, clip_parts):
            this = *key_matches(table, old._asdict()), table.c.sha256 == sha256
            changes[table.name] += connection.execute(update(table).where(*this).values(new._asdict())).rowcount
    for table, moment in ((events, events.c.start_utc), (effort, effort.c.start_utc), (notices, notices.c.utc)):
        change = update(table).where(*key_matches(table, old._asdict()), moment >= since).values(new._asdict())
        changes[table.name] = connection.execute(change).rowcount
    insert_new(connection, devices, [new._asdict()])
    return +changes


def retire_device(connection: Connection, device: DeviceKey, now: datetime | None) -> None:
    """Take a device out of use, or with None into use again. It keeps its rows, and no rule watches it.

    Raises ConfigError if the device does not exist.
    """
    _check_exists(connection, device)
    change = update(devices).where(*key_matches(devices, device._asdict())).values(retired_utc=now)
    connection.execute(change)


def remove_device(connection: Connection, device: DeviceKey, *, with_rows: bool) -> Changes:
    """Remove a device. Raises ConfigError if it does not exist, or if it has rows and `with_rows` is not set."""
    _check_exists(connection, device)
    rows = count_rows(connection, device)
    if rows and not with_rows:
        raise ConfigError(f"{device.site}/{device.device} has {rows:,} rows; --with-rows deletes them, too")
    changes: Changes = Counter()
    for table in owned_tables():
        changes[table.name] = connection.execute(delete(table).where(*key_matches(table, device._asdict()))).rowcount
    return +changes


def _existing_devices(connection: Connection, site: str) -> list[DeviceKey]:
    found = devices_of(connection, site)
    if not found:
        raise ConfigError(f"there is no site {site}; `anura-base device list` shows all devices with their sites")
    return found


def _check_exists(connection: Connection, device: DeviceKey) -> None:
    if device not in devices_of(connection, device.site):
        name = f"{device.site}/{device.device}"
        raise ConfigError(f"there is no device {name}; `anura-base device list` shows all devices")


def _move(connection: Connection, moved: Iterable[DeviceKey], site: str) -> Changes:
    changes: Changes = Counter()
    for device in moved:
        changes += _move_device(connection, device, DeviceKey(site, device.device))
    return changes


def _move_device(connection: Connection, old: DeviceKey, new: DeviceKey) -> Changes:
    if old == new:
        return Counter()
    for table, key in ((health_hours, health_hours.c.hour), (rollout_devices, rollout_devices.c.number)):
        _drop_doubled(connection, old, new, table, key)
    for table in (devices, health):  # the state of the remaining device counts
        if connection.execute(select(1).select_from(table).where(*key_matches(table, new._asdict()))).first():
            connection.execute(delete(table).where(*key_matches(table, old._asdict())))
    _merge_progress(connection, old, new)
    _merge_files(connection, old, new)
    changes: Changes = Counter()
    for table in owned_tables():
        change = update(table).where(*key_matches(table, old._asdict())).values(new._asdict())
        changes[table.name] = connection.execute(change).rowcount
    return +changes


def _drop_doubled(
    connection: Connection, old: DeviceKey, new: DeviceKey, table: Table, key: ColumnElement[Any]
) -> None:
    """Delete the rows of a table for which the remaining device has one with the same key."""
    own = select(key).where(*key_matches(table, new._asdict()))
    connection.execute(delete(table).where(*key_matches(table, old._asdict()), key.in_(own)))


def _merge_progress(connection: Connection, old: DeviceKey, new: DeviceKey) -> None:
    """Merge the received numbers of the journals that both devices have."""
    query = select(journals.c.journal).where(*key_matches(journals, old._asdict()))
    keys = [JournalKey(*device, journal) for journal in connection.scalars(query) for device in (old, new)]
    progress = progress_table.load(connection, keys)
    for key in [key for key in progress if DeviceKey(key.site, key.device) == old]:
        target = JournalKey(*new, key.journal)
        if target in progress:
            both = progress[target].merged(progress[key]).limited(progress_table.MAX_SPANS)
            for table in (received, journals):
                connection.execute(delete(table).where(*key_matches(table, key.columns)))
            progress_table.save(connection, progress, {target: both})


def _merge_files(connection: Connection, old: DeviceKey, new: DeviceKey) -> None:
    """Of a file of which both devices have parts, keep the longer one."""
    files = (select(clip_parts.c.sha256).where(*key_matches(clip_parts, device._asdict())) for device in (old, new))
    first, second = (set(connection.scalars(query.distinct())) for query in files)
    for sha256 in first & second:
        sizes = {device: received_bytes(connection, *device, sha256) for device in (old, new)}
        shorter = min((new, old), key=lambda device: sizes[device])
        connection.execute(delete(clip_parts).where(*key_matches(clip_parts, {**shorter._asdict(), "sha256": sha256})))
        of_both = tuple_(clips.c.site, clips.c.device).in_([old, new])
        kept = update(clips).where(and_(of_both, clips.c.sha256 == sha256))
        connection.execute(kept.values(came=max(sizes.values())))
