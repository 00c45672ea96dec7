"""Orders to devices: roll-outs of a model, and changes of settings. Signs them and stores what devices report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from anura_base.db.engine import ack_secret, key_matches
from anura_base.db.incidents import Incident, IncidentKind, report
from anura_base.db.schema import devices
from anura_base.updates.packages import read_part
from anura_base.updates.rollout_rules import RolloutDevice, due, fault, is_done
from anura_base.updates.tables import (
    OPEN,
    OrderState,
    RolloutState,
    model_packages,
    rollout_devices,
    rollouts,
    setting_changes,
)
from anura_edge.errors import ConfigError
from anura_edge.wire import (
    ModelOffer,
    ModelPart,
    ModelReport,
    ModelWanted,
    Owner,
    SettingsChange,
    SettingsKept,
    SettingsReport,
    Update,
    device_key,
    pack,
    topic,
)

Replies = list[tuple[str, bytes]]
"""Topic and payload of messages to the device. They are sent after the transaction is committed."""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that is repeated until the device has reported its outcome."""

    device: Owner
    number: int
    progress: tuple[str, int]
    """Its state and the bytes that were sent: a change shows that the device hears us."""
    message: tuple[str, bytes]
    """Topic and payload."""


def begin_rollout(
    connection: Connection, package: Row[Any], targets: Sequence[Owner], first: int, wait_h: float, now: datetime
) -> int:
    """Begin to give a model to devices, in this order. Roll-outs that run are halted. Return its number.

    Raises ConfigError without devices.
    """
    if not targets:
        raise ConfigError("no device is in use at these sites; `anura-base device list` shows all devices")
    for (running,) in connection.execute(select(rollouts.c.number).where(rollouts.c.state == RolloutState.RUNNING)):
        _halt(connection, running, f"{package.model_id} {package.version} is rolled out instead", now)
    number = _next_number(connection, now)
    row = {"number": number, "sha256": package.sha256, "state": RolloutState.RUNNING, "detail": ""}
    connection.execute(insert(rollouts).values(**row, first_devices=first, wait_h=wait_h))
    for position, device in enumerate(targets):
        values = {**device._asdict(), "number": number, "position": position, "state": OrderState.WAITING}
        connection.execute(insert(rollout_devices).values(**values, detail="", sent_bytes=0, changed_utc=now))
    advance_rollouts(connection, now)
    return number


def halt_rollouts(connection: Connection, reason: str, now: datetime) -> int:
    """Stop the roll-outs that run: no other device gets the model. Return their number."""
    running = connection.scalars(select(rollouts.c.number).where(rollouts.c.state == RolloutState.RUNNING)).all()
    for number in running:
        _halt(connection, number, reason, now)
    return len(running)


def advance_rollouts(connection: Connection, now: datetime) -> None:
    """Give the model to the devices whose turn it is, and end the roll-outs that are done or have failed."""
    for rollout in connection.execute(select(rollouts).where(rollouts.c.state == RolloutState.RUNNING)).all():
        members = _members(connection, rollout.number)
        if reason := fault(members):
            _halt(connection, rollout.number, reason, now)
        elif is_done(members):
            _set_rollout(connection, rollout.number, RolloutState.DONE, "")
        for device in due(members, rollout.first_devices, timedelta(hours=rollout.wait_h), now):
            _set_device(connection, rollout.number, device, now, state=OrderState.SENT)


def change_settings(
    connection: Connection,
    device: Owner,
    values: Mapping[str, Any],
    removed: Sequence[str],
    confirm_s: float,
    now: datetime,
) -> int:
    """Change settings of a device. A change that it has not reported yet is withdrawn. Return the number.

    Raises ConfigError if the device does not exist.
    """
    if not connection.execute(select(devices.c.state).where(*key_matches(devices, device._asdict()))).first():
        raise ConfigError(f"there is no device {device.site}/{device.device}; `anura-base device list` shows all")
    sent = *key_matches(setting_changes, device._asdict()), setting_changes.c.state == OrderState.SENT
    connection.execute(update(setting_changes).where(*sent).values(state=OrderState.STOPPED, changed_utc=now))
    number = _next_number(connection, now)
    row = {"number": number, "values_json": json.dumps(dict(values)), "removed_json": json.dumps(list(removed))}
    row |= {"confirm_s": confirm_s, "state": OrderState.SENT, "detail": "", "changed_utc": now, **device._asdict()}
    connection.execute(insert(setting_changes).values(**row))
    return number


def open_orders(connection: Connection) -> list[OpenOrder]:
    """Return the orders for devices that are online, the oldest first."""
    secret, found = ack_secret(connection), []
    for row in connection.execute(_of_online_devices(rollout_devices)):
        package = connection.execute(
            select(model_packages)
            .join(rollouts, rollouts.c.sha256 == model_packages.c.sha256)
            .where(rollouts.c.number == row.number)
        ).first()
        if package:
            offer = ModelOffer(
                site=row.site,
                device=row.device,
                number=row.number,
                id=package.model_id,
                version=package.version,
                sha256=package.sha256,
                size=package.size,
            )
            found.append(_order(row, (row.state, row.sent_bytes), offer.signed(device_key(secret, row.device))))
    for row in connection.execute(_of_online_devices(setting_changes)):
        change = SettingsChange(
            site=row.site,
            device=row.device,
            number=row.number,
            values=json.loads(row.values_json),
            removed=json.loads(row.removed_json),
            confirm_s=row.confirm_s,
        )
        found.append(_order(row, (row.state, 0), change.signed(device_key(secret, row.device))))
    return sorted(found, key=lambda order: order.number)


def receive(connection: Connection, site: str, device: str, message: Update, now: datetime) -> Replies:
    """Store a device's message about a model or its settings. Return the replies. Unknown orders are ignored."""
    sender = Owner(site, device)
    match message:
        case ModelWanted():
            return _send_part(connection, sender, message, now)
        case ModelReport():
            return _store_model_report(connection, sender, message, now)
        case SettingsReport():
            return _store_settings_report(connection, sender, message, now)


def _send_part(connection: Connection, sender: Owner, wanted: ModelWanted, now: datetime) -> Replies:
    query = select(rollouts.c.sha256).join(rollout_devices, rollouts.c.number == rollout_devices.c.number)
    own = *key_matches(rollout_devices, sender._asdict()), rollout_devices.c.number == wanted.number
    sha256 = connection.scalar(query.where(*own, rollout_devices.c.state == OrderState.SENT))
    data = read_part(connection, wanted.sha256, wanted.offset) if sha256 == wanted.sha256 else b""
    if not data:
        return []
    _set_device(connection, wanted.number, sender, now, sent_bytes=wanted.offset + len(data))
    part = ModelPart(sha256=wanted.sha256, offset=wanted.offset, data=data)
    return [(topic(*sender, "cmd"), pack(part.to_bytes()))]


def _store_model_report(connection: Connection, sender: Owner, outcome: ModelReport, now: datetime) -> Replies:
    own = *key_matches(rollout_devices, sender._asdict()), rollout_devices.c.number == outcome.number
    row = connection.execute(select(rollout_devices).where(*own)).first()
    if row is None or (row.state, row.detail) == (outcome.state, outcome.detail):
        return []
    _set_device(connection, outcome.number, sender, now, state=OrderState(outcome.state), detail=outcome.detail)
    if outcome.state in ("refused", "rolled_back"):
        detail = f"does not use the model of the roll-out: {outcome.detail}; it keeps the one before"
        report(connection, [(Incident(IncidentKind.UPDATE, *sender, f"model {outcome.number}", detail), now)])
    advance_rollouts(connection, now)
    return []


def _store_settings_report(connection: Connection, sender: Owner, outcome: SettingsReport, now: datetime) -> Replies:
    own = *key_matches(setting_changes, sender._asdict()), setting_changes.c.number == outcome.number
    row = connection.execute(select(setting_changes).where(*own)).first()
    if row is None:
        return []
    if (row.state, row.detail) != (outcome.state, outcome.detail):
        values = {"state": OrderState(outcome.state), "detail": outcome.detail, "changed_utc": now}
        connection.execute(update(setting_changes).where(*own).values(**values))
        if outcome.state in ("refused", "rolled_back"):
            detail = f"does not use the changed settings: {outcome.detail}; it keeps the former ones"
            report(connection, [(Incident(IncidentKind.UPDATE, *sender, f"settings {outcome.number}", detail), now)])
    if outcome.state != "trial":
        return []
    kept = SettingsKept(site=sender.site, device=sender.device, number=outcome.number)
    return [(topic(*sender, "cmd"), kept.signed(device_key(ack_secret(connection), sender.device)).to_bytes())]


def _order(row: Row[Any], progress: tuple[str, int], message: ModelOffer | SettingsChange) -> OpenOrder:
    device = Owner(row.site, row.device)
    return OpenOrder(device, row.number, progress, (topic(*device, "cmd"), message.to_bytes()))


def _of_online_devices(table: Any) -> Any:  # noqa: ANN401  (a Select of all columns of a table)
    same_device = (devices.c.site == table.c.site) & (devices.c.device == table.c.device)
    return select(table).join(devices, same_device).where(table.c.state.in_(OPEN), devices.c.state == "online")


def _members(connection: Connection, number: int) -> list[RolloutDevice]:
    query = select(rollout_devices).where(rollout_devices.c.number == number).order_by(rollout_devices.c.position)
    return [
        RolloutDevice(Owner(row.site, row.device), row.state, row.changed_utc, row.detail)
        for row in connection.execute(query)
    ]


def _halt(connection: Connection, number: int, reason: str, now: datetime) -> None:
    _set_rollout(connection, number, RolloutState.HALTED, reason)
    unsettled = rollout_devices.c.state.in_([OrderState.WAITING, OrderState.SENT])
    change = update(rollout_devices).where(rollout_devices.c.number == number, unsettled)
    connection.execute(change.values(state=OrderState.STOPPED, changed_utc=now))


def _set_rollout(connection: Connection, number: int, state: RolloutState, detail: str) -> None:
    change = update(rollouts).where(rollouts.c.number == number)
    connection.execute(change.values(state=state, detail=detail))


def _set_device(connection: Connection, number: int, device: Owner, now: datetime, **values: object) -> None:
    own = *key_matches(rollout_devices, device._asdict()), rollout_devices.c.number == number
    connection.execute(update(rollout_devices).where(*own).values(**values, changed_utc=now))


def _next_number(connection: Connection, now: datetime) -> int:
    """Return a number above all others. It is the time, so it grows even if the database is restored from a backup."""
    used = [connection.scalar(select(func.max(table.c.number))) or 0 for table in (rollouts, setting_changes)]
    return max(round(now.timestamp() * 1_000), *(number + 1 for number in used))
