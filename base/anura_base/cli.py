"""The command `anura-base`."""

import logging
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from anura_base import config, station
from anura_base.access import commands
from anura_edge.errors import AnuraError

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(commands.users, name="user")
app.add_typer(commands.programs, name="token")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anura-base {version('anura-edge')}")
        raise typer.Exit


@app.callback()
def base(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Receive the calls that recorders heard, store them, acknowledge and show them."""


@app.command()
def run(
    config_file: Annotated[Path | None, typer.Option("--config", help="Settings, in YAML.")] = None,
    database: Annotated[
        str | None, typer.Option(help="SQLAlchemy's URL: sqlite:////PATH or postgresql+psycopg://...")
    ] = None,
    mqtt: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The broker.")] = None,
    web: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The page; port 0 picks a free one.")] = None,
) -> None:
    """Run the base station until it is told to stop.

    Example: anura-base run --mqtt 127.0.0.1:1883 --web 127.0.0.1:8080
    """
    station.run(config.load(config_file, database, mqtt, web), ready=typer.echo)


def main() -> None:
    """Run the command; an error that is meant for people becomes one line and its exit code."""
    logging.basicConfig(format="anura-base: %(message)s", level=logging.WARNING)
    logging.getLogger("anura_base").setLevel(logging.INFO)
    try:
        app()
    except AnuraError as error:
        typer.echo(f"anura-base: {error}", err=True)
        sys.exit(error.exit_code)
