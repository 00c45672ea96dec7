"""Thresholds of a species at the devices that report it: which ones do, and the orders that set its threshold."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from anura_base.db.engine import key_matches
from anura_base.db.queries import is_retired
from anura_base.db.schema import devices, events
from anura_base.updates.orders import change_settings
from anura_base.updates.tables import OrderState, setting_changes
from anura_edge.errors import ConfigError
from anura_edge.wire import Owner

CONFIRM_S = 600.0
"""A device that does not hear from the base station within this time goes back to its settings before."""

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
"""A label that can be a part of a key."""


@dataclass(frozen=True, slots=True)
class ThresholdTarget:
    """A device whose present model reports a species."""

    device: Owner
    label: str
    """The label of the species in its model."""
    sent: float | None
    """The threshold in the last order for this label. None if there was none."""
    order: Row[Any] | None
    """That order, with state, detail and changed_utc."""

    @property
    def name(self) -> str:
        """SITE/DEVICE."""
        return f"{self.device.site}/{self.device.device}"


def threshold_targets(connection: Connection, *population: ColumnElement[bool]) -> list[ThresholdTarget]:
    """Return the devices in use whose present model has reported events of a population, in order."""
    d, e = devices.c, events.c
    same = and_(d.site == e.site, d.device == e.device, d.model_sha256 == e.model_sha256)
    query = select(e.site, e.device, e.label, d.retired_utc, d.last_seen_utc).distinct()
    query = query.select_from(events.join(devices, same)).where(*population).order_by(e.site, e.device, e.label)
    rows = [row for row in connection.execute(query) if not is_retired(row.retired_utc, row.last_seen_utc)]
    return [_target(connection, Owner(row.site, row.device), row.label) for row in rows if _LABEL.fullmatch(row.label)]


def send_thresholds(
    connection: Connection, targets: Sequence[ThresholdTarget], threshold: float, now: datetime
) -> None:
    """Order each device to use a threshold. A change that a device has not reported yet is in the new order, too.

    Raises ConfigError without targets.
    """
    if not targets:
        raise ConfigError("no device is chosen; choose at least one")
    for target in targets:
        key = _key(target.label)
        pending = _pending(connection, target.device)
        values = {**(json.loads(pending.values_json) if pending else {}), key: threshold}
        removed = [each for each in (json.loads(pending.removed_json) if pending else ()) if each != key]
        confirm_s = pending.confirm_s if pending else CONFIRM_S
        change_settings(connection, target.device, values, removed, confirm_s, now)


def _key(label: str) -> str:
    return f"detect.thresholds.{label}"


def _target(connection: Connection, device: Owner, label: str) -> ThresholdTarget:
    c, key = setting_changes.c, _key(label)
    of_device = (
        *key_matches(setting_changes, device._asdict()),
        c.values_json.contains(json.dumps(key), autoescape=True),
    )
    order = connection.execute(select(setting_changes).where(*of_device).order_by(c.number.desc()).limit(1)).first()
    return ThresholdTarget(device, label, json.loads(order.values_json)[key] if order else None, order)


def _pending(connection: Connection, device: Owner) -> Row[Any] | None:
    """Return the change of a device that it has not reported yet."""
    sent = *key_matches(setting_changes, device._asdict()), setting_changes.c.state == OrderState.SENT
    return connection.execute(select(setting_changes).where(*sent)).first()
