"""The commands `anura-base model` and `anura-base setting`."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection, select

from anura_base.cli.devices import Device, parse_device
from anura_base.cli.options import ConfigFile, Database, Json, open_new_transaction, open_transaction
from anura_base.cli.output import print_records, print_rows
from anura_base.db.schema import devices
from anura_base.updates import orders
from anura_base.updates.packages import add_package, find_package
from anura_base.updates.tables import rollout_devices, rollouts, setting_changes
from anura_edge.config.yaml_text import parse_value
from anura_edge.errors import ConfigError
from anura_edge.wire import Owner

app = typer.Typer(no_args_is_help=True, help="Give models to devices, in stages, and show which model each one uses.")
setting_app = typer.Typer(no_args_is_help=True, help="Change settings of devices.")

Name = Annotated[str, typer.Argument(metavar="MODEL", help="Id and version of a stored model, as in frogs-2.0.0.")]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A signed bundle as a zip file.")],
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check its signature with this public key.")
    ] = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Store a bundle that devices can be given. No device gets it before a roll-out.

    Example: anura-base model add frogs-2.0.0.zip
    """
    with open_new_transaction(config_file, database) as connection:
        package = add_package(connection, file, public_key, datetime.now(UTC))
    name = f"{package.model_id}-{package.version}"
    typer.echo(f"{name}, licence {package.licence}, {package.size / 1e6:.1f} MB, is stored")


@app.command()
def rollout(
    name: Name,
    site: Annotated[list[str] | None, typer.Option(help="Only the devices of this site. May be repeated.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="Only this device, SITE/DEVICE. May be repeated.")] = None,
    first: Annotated[int, typer.Option(min=1, help="Number of devices that get the model first.")] = 1,
    wait_h: Annotated[
        float, typer.Option(min=0, max=8_760, help="Hours for which the first ones must work with it.")
    ] = 24,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Give a model to devices: first to a few, and to the others when these have worked with it.

    Example: anura-base model rollout frogs-2.0.0 --site pond --first 2

    Each device checks the bundle and keeps its own model if it finds a fault. At the first fault the roll-out halts:
    no other device gets the model.
    """
    with open_transaction(config_file, database) as connection:
        package = find_package(connection, name)
        targets = _targets(connection, site or [], device or [])
        orders.begin_rollout(connection, package, targets, first, wait_h, datetime.now(UTC))
    typer.echo(f"{name} is given to {len(targets)} devices, first to {_names(targets[:first])}")


@app.command()
def halt(config_file: ConfigFile = None, database: Database = None) -> None:
    """Stop a roll-out: no other device gets the model. Devices that use it keep it.

    Example: anura-base model halt
    """
    with open_transaction(config_file, database) as connection:
        stopped = orders.halt_rollouts(connection, "stopped by hand", datetime.now(UTC))
    if not stopped:
        raise ConfigError("no roll-out runs; `anura-base model status` shows the last one")
    typer.echo("the roll-out is stopped")


@app.command()
def status(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show the model of each device, and how far the last roll-out is.

    Example: anura-base model status
    """
    with open_transaction(config_file, database) as connection:
        last = connection.execute(select(rollouts).order_by(rollouts.c.number.desc()).limit(1)).first()
        members = rollout_devices.alias("members")
        of_device = (
            (members.c.site == devices.c.site)
            & (members.c.device == devices.c.device)
            & (members.c.number == (last.number if last else 0))
        )
        columns = devices.c.site, devices.c.device, devices.c.model_id, devices.c.model_version
        progress = members.c.state, members.c.sent_bytes, members.c.detail
        query = select(*columns, *progress).outerjoin(members, of_device).where(devices.c.retired_utc.is_(None))
        rows = connection.execute(query.order_by(devices.c.site, devices.c.device)).all()
    print_rows(rows, ("site", "device", "model_id", "model_version", "state", "sent_bytes", "detail"), as_json)
    if last and not as_json:
        typer.echo(f"the last roll-out is {last.state}{': ' if last.detail else ''}{last.detail}")


@setting_app.command("change")
def change_settings(
    device: Device,
    values: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="New values, as in YAML.")] = None,
    reset: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Use the device's own file for this key again.")
    ] = None,
    within_min: Annotated[
        float, typer.Option(min=1, max=1_440, help="Minutes in which the device must report with the new settings.")
    ] = 10,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Change settings of a device. It checks them, starts again, and goes back if it cannot report with them.

    Example: anura-base setting change pond/one detect.preset=strict

    Whether people may be recorded (`clips.enabled`, `clips.upload`), files, keys and the model are changed at the
    device only.
    """
    parsed = dict(_parse_assignment(text) for text in values or [])
    if not parsed and not reset:
        raise ConfigError("name at least one KEY=VALUE, or --reset KEY")
    with open_transaction(config_file, database) as connection:
        key = Owner(*parse_device(device))
        orders.change_settings(connection, key, parsed, reset or [], within_min * 60, datetime.now(UTC))
    typer.echo(f"{device} gets its new settings when it is online; `anura-base setting list` shows their state")


@setting_app.command("list")
def list_settings(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show the changes of settings, the newest first.

    Example: anura-base setting list
    """
    with open_transaction(config_file, database) as connection:
        found = connection.execute(select(setting_changes).order_by(setting_changes.c.number.desc())).all()
    records: list[dict[str, Any]] = [
        {
            "changed_utc": row.changed_utc,
            "device": f"{row.site}/{row.device}",
            "values": row.values_json,
            "reset": ", ".join(json.loads(row.removed_json)),
            "state": row.state,
            "detail": row.detail,
        }
        for row in found
    ]
    print_records(records, ("changed_utc", "device", "values", "reset", "state", "detail"), as_json)


def _targets(connection: Connection, sites: list[str], names: list[str]) -> list[Owner]:
    """Return the devices in use, those that are named first, in the order in which they are named."""
    query = select(devices.c.site, devices.c.device).where(devices.c.retired_utc.is_(None))
    known = [Owner(*row) for row in connection.execute(query.order_by(devices.c.site, devices.c.device))]
    named = [Owner(*parse_device(name)) for name in names]
    for device in named:
        if device not in known:
            raise ConfigError(f"no device {device.site}/{device.device} is in use; see `anura-base device list`")
    if named or sites:
        return list(dict.fromkeys([*named, *(device for device in known if device.site in sites)]))
    return known


def _names(targets: list[Owner]) -> str:
    return ", ".join(f"{device.site}/{device.device}" for device in targets)


def _parse_assignment(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    try:
        parsed = parse_value(value)
        json.dumps(parsed)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{text!r}: the value is no YAML; put quotes around it") from error
    if not separator or not key:
        raise ConfigError(f"{text!r} is not KEY=VALUE, as in detect.preset=strict")
    return key, parsed
