"""Entry point of the command `anura-base`."""

import logging
from importlib.metadata import version
from typing import Annotated

import typer

from anura_base.cli import broker, clocks, config, data, devices, models, review, simulation, tokens, users
from anura_base.cli.options import ConfigFile, Database, WebAddress
from anura_base.config.settings import load
from anura_edge.terminal import run_command

app = typer.Typer(no_args_is_help=True)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"anura-base {version('anura-edge')}")
        raise typer.Exit


@app.callback()
def base(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Receive, store and show the calls that devices detect."""


@app.command()
def run(
    config_file: ConfigFile = None,
    database: Database = None,
    mqtt: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Address of the broker.")] = None,
    web: Annotated[str | None, WebAddress] = None,
) -> None:
    """Run the base station until SIGINT or SIGTERM.

    Example: anura-base run --mqtt 127.0.0.1:1883 --web 127.0.0.1:8080
    """
    from anura_base import server  # the import takes a second, and no other command needs it

    settings = load(config_file, database, mqtt, web)
    broker = f"{settings.mqtt.host}:{settings.mqtt.port}"
    server.run(settings, lambda address: typer.echo(f"anura-base: {address} shows the data from {broker}"))


for command in (data.backup, data.restore, data.export, simulation.simulate, simulation.demo):
    app.command()(command)
app.command("import")(data.import_)
app.command()(review.review)
app.command()(broker.provision)
app.add_typer(config.app, name="config")
app.add_typer(broker.app, name="broker")
app.add_typer(devices.app, name="device")
app.add_typer(devices.site_app, name="site")
app.add_typer(users.app, name="user")
app.add_typer(tokens.app, name="token")
app.add_typer(clocks.app, name="clock")
app.add_typer(models.app, name="model")
app.add_typer(models.setting_app, name="setting")


def main() -> None:
    """Run the command. An AnuraError becomes one line on stderr and its exit code."""
    logging.basicConfig(format="anura-base: %(message)s", level=logging.WARNING)
    logging.getLogger("anura_base").setLevel(logging.INFO)
    run_command("anura-base", app)
