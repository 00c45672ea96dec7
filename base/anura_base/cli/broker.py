"""The commands `anura-base provision` and `anura-base broker`."""

from pathlib import Path
from typing import Annotated

import typer

from anura_base.cli.devices import Device, parse_device
from anura_base.cli.options import ConfigFile, Database, open_new_transaction
from anura_base.db.engine import ack_secret
from anura_edge.config.private_files import write_private
from anura_edge.errors import ConfigError
from anura_edge.wire import device_key

app = typer.Typer(no_args_is_help=True, help="Make the credentials of the broker, and revoke those of a device.")

Folder = Annotated[Path, typer.Option(help="Folder of the broker's credentials.")]
DEFAULT_FOLDER = Path("/etc/anura/broker")


@app.command()
def create(
    host: Annotated[str, typer.Argument(metavar="HOST", help="Name or address under which devices reach the broker.")],
    folder: Folder = DEFAULT_FOLDER,
) -> None:
    """Make a certificate authority, the certificate of the broker, and the password of the base station.

    What exists is kept, so the command can be repeated.

    Example: anura-base broker create base.local
    """
    from anura_base.broker.folder import BrokerFolder  # cryptography: only these commands need it

    BrokerFolder(folder).create(host)
    typer.echo(f"{folder} has the credentials of the broker {host}")


@app.command()
def revoke(device: Device, folder: Folder = DEFAULT_FOLDER) -> None:
    """Make the password and the certificate of a lost device invalid. Its rows stay.

    Example: anura-base broker revoke pond/one
    """
    from anura_base.broker.folder import BrokerFolder

    if not BrokerFolder(folder).revoke(parse_device(device)):
        raise ConfigError(f"{device} has no credentials in {folder}; check its name")
    typer.echo(f"the credentials of {device} are revoked; restart the broker: sudo systemctl restart mosquitto")


def provision(
    device: Device,
    out: Annotated[Path | None, typer.Option(help="Join file to write. Default: SITE-DEVICE.join.")] = None,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Give the device a certificate instead of a password (mutual TLS).")
    ] = False,
    folder: Folder = DEFAULT_FOLDER,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Give a device its own credentials, and write them into a join file for `anura-edge join`.

    A device that is provisioned again gets new credentials, and its former ones are invalid.

    Example: anura-base provision pond/one
    """
    from anura_base.broker.folder import BrokerFolder

    key = parse_device(device)
    file = out or Path(f"{key.site}-{key.device}.join")
    with open_new_transaction(config_file, database) as connection:
        ack_key = device_key(ack_secret(connection), key.device).hex()
    join = BrokerFolder(folder).provision(key, ack_key, with_certificate=certificate)
    write_private(file, join.model_dump_json(by_alias=True, indent=1) + "\n")
    typer.echo(f"{file} contains the secrets of {device}; only you can read it. On the device:")
    typer.echo(f"  sudo /opt/anura/bin/anura-edge join {file.name}")
    typer.echo("Reload the broker: sudo systemctl reload mosquitto")
