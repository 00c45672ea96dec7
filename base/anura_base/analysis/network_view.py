"""Which devices the page Network shows, and in which order. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from anura_base.analysis.network_status import DeviceStatus


class Show(StrEnum):
    """Which devices are shown."""

    IN_USE = "in use"
    """All except the retired ones."""
    ATTENTION = "with problems"
    RETIRED = "retired"


class Sort(StrEnum):
    """The order of the devices. Devices with equal values are in order of site and name."""

    PROBLEMS = "problems"
    """Those with problems first."""
    NAME = "name"
    LAST_SEEN = "last seen"
    """Those that were not seen for longest first."""
    CALLS = "calls"
    BACKLOG = "backlog"
    DISK = "free disk"
    BATTERY = "battery"


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_UNKNOWN = float("inf")
"""A value that a device does not report is sorted last."""

_KEYS: dict[Sort, Callable[[DeviceStatus], object]] = {
    Sort.PROBLEMS: lambda device: -len(device.problems) if device.needs_attention else 1,
    Sort.NAME: lambda _: 0,
    Sort.LAST_SEEN: lambda device: device.last_seen_utc or _LONG_AGO,
    Sort.CALLS: lambda device: -device.calls,
    Sort.BACKLOG: lambda device: -device.health.pending if device.health else _UNKNOWN,
    Sort.DISK: lambda device: _or_unknown(device.health.disk_free_bytes if device.health else None),
    Sort.BATTERY: lambda device: _or_unknown(device.health.battery_percent if device.health else None),
}


def arrange(devices: Sequence[DeviceStatus], show: Show, sort: Sort, search: str) -> list[DeviceStatus]:
    """Return the devices to show, in order. `search` is a part of the name of a site or device."""
    shown = [
        device
        for device in devices
        if (device.retired if show is Show.RETIRED else not device.retired)
        and (show is not Show.ATTENTION or device.needs_attention)
        and search.casefold() in f"{device.site}/{device.device}".casefold()
    ]
    by_name = sorted(shown, key=lambda device: (device.site, device.device))
    return sorted(by_name, key=_KEYS[sort])  # type: ignore[arg-type]


def group_by_site(devices: Sequence[DeviceStatus]) -> dict[str, list[DeviceStatus]]:
    """Return the devices by site, in the order in which the sites first appear."""
    groups: dict[str, list[DeviceStatus]] = {}
    for device in devices:
        groups.setdefault(device.site, []).append(device)
    return groups


def _or_unknown(value: float | None) -> float:
    return _UNKNOWN if value is None else value
