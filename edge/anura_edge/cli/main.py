"""The `anura-edge` command: its tree of commands, and how an error ends it."""

import logging
from typing import Annotated

import typer

from anura_edge import __version__
from anura_edge.cli import (
    analyse,
    calling_index,
    card,
    clips,
    config,
    device,
    explore,
    export,
    join,
    model,
    owners,
    report,
    review,
    summary,
)
from anura_edge.cli.correct import correct
from anura_edge.cli.init import init
from anura_edge.cli.process import StderrHandler
from anura_edge.cli.scan import scan
from anura_edge.terminal import run_command

ANALYSE, RESULTS = "Analyse recordings", "Use the results"
CHECK, SETTINGS = "Check the device", "Settings and models"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
app.command(rich_help_panel=ANALYSE)(analyse.run)
app.command(rich_help_panel=ANALYSE)(scan)
app.command(rich_help_panel=ANALYSE)(explore.explore)
app.command(rich_help_panel=ANALYSE)(analyse.demo)
app.add_typer(card.app, name="card", rich_help_panel=ANALYSE)
app.command(rich_help_panel=RESULTS)(export.export)
app.command(rich_help_panel=RESULTS)(summary.summary)
app.command(rich_help_panel=RESULTS)(report.report)
app.command("calling-index", rich_help_panel=RESULTS)(calling_index.compare_calling_index)
app.add_typer(clips.app, name="clips", rich_help_panel=RESULTS)
app.command(rich_help_panel=RESULTS)(review.review)
app.command(rich_help_panel=RESULTS)(correct)
app.command(rich_help_panel=CHECK)(device.doctor)
app.command(rich_help_panel=CHECK)(device.devices)
app.command(rich_help_panel=CHECK)(device.resend)
app.add_typer(owners.base_app, name="base", rich_help_panel=CHECK)
app.add_typer(owners.site_app, name="site", rich_help_panel=CHECK)
app.add_typer(owners.device_app, name="device", rich_help_panel=CHECK)
app.command(rich_help_panel=SETTINGS)(init)
app.command(rich_help_panel=SETTINGS)(join.join)
app.add_typer(config.app, name="config", rich_help_panel=SETTINGS)
app.add_typer(model.app, name="model", rich_help_panel=SETTINGS)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Detect frog calls in recordings and microphones, and send them to a base station.

    Example: `anura-edge scan /media/card/Data`

    Every command has its own help: `anura-edge scan --help`.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command. A user error ends with a message and its exit code, without a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, handlers=[StderrHandler()])
    run_command("anura-edge", app)
