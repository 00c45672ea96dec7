"""The command `anura-base`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Annotated, BinaryIO

import typer
from sqlalchemy import Engine

from anura_base import server
from anura_base.cli import users
from anura_base.config.settings import load
from anura_base.db.engine import open_database
from anura_base.exchange import backup as exchange_backup
from anura_base.exchange import export as exchange_export
from anura_edge.errors import AnuraError, ConfigError

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(users.users, name="user")
app.add_typer(users.programs, name="token")


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
    server.run(load(config_file, database, mqtt, web), ready=typer.echo)


ConfigFile = Annotated[Path | None, typer.Option("--config", help="Settings, in YAML.")]
Database = Annotated[str | None, typer.Option(help="SQLAlchemy's URL, in place of the settings' database.")]


@app.command()
def backup(file: Path, config_file: ConfigFile = None, database: Database = None) -> None:
    """Write all that the database holds into a new file, while the base station runs.

    Example: anura-base backup /media/usb/2026-06-15.db
    """
    with closing_engine(load(config_file, database, None, None).database_url()) as engine:
        rows = exchange_backup.back_up(engine, file)
    typer.echo(f"{rows:,} rows in {file}")


@app.command()
def restore(file: Path, config_file: ConfigFile = None, database: Database = None) -> None:
    """Put a backup into an empty database, of the same kind or the other.

    Example: anura-base restore 2026-06-15.db --database postgresql+psycopg://anura@db/anura
    """
    with closing_engine(load(config_file, database, None, None).database_url()) as engine:
        rows = exchange_backup.restore(file, engine)
    typer.echo(f"{rows:,} rows from {file}")


@app.command()
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(exchange_export.EXPORTS)}.")],
    out: Annotated[Path | None, typer.Option(help="A new file; without it, to the standard output.")] = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Write all calls, or all effort, in a form of other programs.

    Example: anura-base export birdnet --out calls.csv
    """
    if form not in exchange_export.EXPORTS:
        raise ConfigError(f"there is no format {form!r}; there are {', '.join(exchange_export.EXPORTS)}")
    settings = load(config_file, database, None, None)
    rows = 0
    with closing_engine(settings.database_url()) as engine, new_file(out) as output:
        for piece in exchange_export.export(engine, form, settings.sites):
            output.write(piece.data)
            rows += piece.rows
    if out:
        typer.echo(f"{rows:,} rows in {out}")


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    """Open a database for a while."""
    engine = open_database(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def new_file(path: Path | None) -> Iterator[BinaryIO]:
    """Open a file that is not there yet, or the standard output.

    Raises ConfigError.
    """
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        with path.open("xb") as file:
            yield file
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; choose another name") from error


Devices = Annotated[int, typer.Option(min=1, max=1_000, help="Recorders, spread over six sites.")]
Nights = Annotated[int, typer.Option(min=1, max=3_660, help="Nights, the last of which is --until.")]
Seed = Annotated[int, typer.Option(min=0, help="The same number gives the same season.")]


@app.command()
def simulate(
    mqtt: Annotated[str, typer.Option(metavar="HOST:PORT", help="The broker of a running base station.")],
    devices: Devices = 12,
    nights: Nights = 60,
    seed: Seed = 1,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last evening, or yesterday.")
    ] = None,
    as_if: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day whose frogs the last evening has.")
    ] = None,
) -> None:
    """Tell a base station of a season that never was, to try it out: frogs, weather, and recorders that fail.

    Example: anura-base simulate --mqtt 127.0.0.1:1883 --devices 12 --nights 60
    """
    from anura_base.simulate import demo as season_demo
    from anura_base.simulate import messages, sender

    broker = load(None, None, mqtt, None).mqtt
    last, calendar = until.date() if until else season_demo.last_complete_night(), as_if.date() if as_if else None
    fleet = sender.FleetSender(broker.host, broker.port)
    began = monotonic()
    sent = fleet.send_all(messages.season_messages(devices, nights, seed, last, calendar))
    fleet.close()
    took_s = monotonic() - began
    typer.echo(f"{sent.events:,} calls in {sent.rows:,} rows acknowledged in {took_s:.0f} s")


@app.command()
def demo(
    web: Annotated[str, typer.Option(metavar="HOST:PORT", help="The page; port 0 picks a free one.")] = "127.0.0.1:0",
    devices: Devices = 12,
    nights: Nights = 60,
    seed: Seed = 1,
) -> None:
    """Show the base station with a season of its own, without a recorder; needs mosquitto. Nothing stays.

    Example: anura-base demo --web 127.0.0.1:8080
    """
    from anura_base.simulate import demo as season_demo

    season_demo.run_demo(load(None, None, None, web).web, devices, nights, seed, typer.echo)


def main() -> None:
    """Run the command; an error that is meant for people becomes one line and its exit code."""
    logging.basicConfig(format="anura-base: %(message)s", level=logging.WARNING)
    logging.getLogger("anura_base").setLevel(logging.INFO)
    try:
        app()
    except AnuraError as error:
        typer.echo(f"anura-base: {error}", err=True)
        sys.exit(error.exit_code)
