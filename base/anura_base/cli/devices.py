"""The commands `anura-base device` and `anura-base site`."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from sqlalchemy import select

from anura_base.analysis.set_clock import parse_start
from anura_base.cli.options import ConfigFile, Database, Json, open_transaction
from anura_base.cli.output import print_rows
from anura_base.db.engine import ack_secret
from anura_base.db.schema import devices
from anura_base.ingest import owners
from anura_base.ingest.messages import DeviceKey
from anura_edge.errors import ConfigError, DeliveryError
from anura_edge.wire import device_key, parse_topic, topic

app = typer.Typer(no_args_is_help=True, help="List, rename, move, retire and remove devices, and print their keys.")
site_app = typer.Typer(no_args_is_help=True, help="Rename and merge sites.")

Device = Annotated[str, typer.Argument(metavar="SITE/DEVICE", help="The device, as in pond/one.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name: letters, digits, - and _.")]
OldSite = Annotated[str, typer.Argument(metavar="OLD", help="The site whose rows change.")]


@app.command("list")
def list_devices(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show all devices with their sites.

    Example: anura-base device list
    """
    columns = devices.c.site, devices.c.device, devices.c.last_seen_utc, devices.c.app_version, devices.c.model_id
    with open_transaction(config_file, database) as connection:
        rows = connection.execute(select(*columns).order_by(devices.c.site, devices.c.device)).all()
    print_rows(rows, tuple(column.name for column in columns), as_json)


@app.command("key")
def print_key(
    name: Annotated[str, typer.Argument(help="Name of the device, without its site.")],
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Print the key with which acknowledgements for a device are signed. Its `mqtt.ack_key_file` contains it.

    Example: anura-base device key one > ack-key-one
    """
    _check_name(name)
    with open_transaction(config_file, database) as connection:
        key = device_key(ack_secret(connection), name)
    typer.echo(key.hex())


@app.command("rename")
def rename_device(device: Device, new: NewName, config_file: ConfigFile = None, database: Database = None) -> None:
    """Change the name of a device in all its rows. A device that has the new name already takes its rows.

    Example: anura-base device rename pond/noe one
    """
    _check_name(new)
    with open_transaction(config_file, database) as connection:
        changes = owners.rename_device(connection, parse_device(device), new)
    _print_changes(changes, f"{device} is now {parse_device(device).site}/{new}")
    typer.echo("Change `device.name` in the settings of the device, too, or it appears again under its old name.")


@app.command("move")
def move_device(
    device: Device,
    site: Annotated[str, typer.Argument(help="Name of the other site.")],
    since: Annotated[
        str | None, typer.Option(help="Only rows from this time on, as in 2026-05-01T21:30:00+10:00.")
    ] = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Move a device to another site.

    Example: anura-base device move pond/one lake --since 2026-05-01T21:30:00+10:00
    """
    _check_name(site)
    with open_transaction(config_file, database) as connection:
        moment = None if since is None else parse_start(since)
        changes = owners.move_device(connection, parse_device(device), site, moment)
    _print_changes(changes, f"{device} is now {site}/{parse_device(device).device}")
    typer.echo("Change `device.site` in the settings of the device, too, or its new rows appear under the old site.")


@app.command("retire")
def retire_device(device: Device, config_file: ConfigFile = None, database: Database = None) -> None:
    """Take a device out of use. It keeps its rows, and is in use again when it sends a message.

    Example: anura-base device retire pond/one
    """
    with open_transaction(config_file, database) as connection:
        owners.retire_device(connection, parse_device(device), datetime.now(UTC))
    typer.echo(f"{device} is retired")


@app.command("remove")
def remove_device(
    device: Device,
    with_rows: Annotated[bool, typer.Option("--with-rows", help="Delete its events, effort and notices, too.")] = False,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Remove a device that does not exist any more, or never existed.

    Example: anura-base device remove pond/test
    """
    with open_transaction(config_file, database) as connection:
        changes = owners.remove_device(connection, parse_device(device), with_rows=with_rows)
    _print_changes(changes, f"{device} is removed")


@site_app.command("rename")
def rename_site(old: OldSite, new: NewName, config_file: ConfigFile = None, database: Database = None) -> None:
    """Change the name of a site in all its rows.

    Example: anura-base site rename pnod pond
    """
    _check_name(new)
    with open_transaction(config_file, database) as connection:
        changes = owners.rename_site(connection, old, new)
    _print_changes(changes, f"{old} is now {new}")
    _print_site_remedy()


@site_app.command("merge")
def merge_sites(old: OldSite, new: NewName, config_file: ConfigFile = None, database: Database = None) -> None:
    """Add the devices and rows of a site to another site.

    Example: anura-base site merge pond-2 pond
    """
    with open_transaction(config_file, database) as connection:
        changes = owners.merge_sites(connection, old, new)
    _print_changes(changes, f"{old} is now part of {new}")
    _print_site_remedy()


def _print_site_remedy() -> None:
    typer.echo(
        "Change `device.site` in the settings of its devices, too, or they appear again under the old site."
        " Change `sites` in the settings of the base station."
    )


def _print_changes(changes: owners.Changes, what: str) -> None:
    counts = ", ".join(f"{count:,} in {table}" for table, count in sorted(changes.items()))
    typer.echo(f"{what}; rows changed: {counts or 'none'}")


def parse_device(text: str) -> DeviceKey:
    """Return the device that an argument names. Raises ConfigError."""
    site, _, device = text.partition("/")
    try:
        site, device, _ = parse_topic(topic(site, device, "event"))
    except DeliveryError:
        raise ConfigError(f"{text!r} is not a device; write it as SITE/DEVICE, as in pond/one") from None
    return DeviceKey(site, device)


def _check_name(name: str) -> None:
    try:
        parse_topic(topic("site", name, "event"))
    except DeliveryError:
        raise ConfigError(f"{name!r} is not a name; use up to 32 letters, digits, - and _") from None
