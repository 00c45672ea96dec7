"""The commands of the group `card`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption, JsonOption, named_path
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ExitCode

app = typer.Typer(help="Check a recorder's SD card before its analysis.", no_args_is_help=True)


@app.command()
def check(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The card, or its folder of recordings.", parser=named_path)
    ],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report what is on a card: hours of audio, damaged files, gaps, clock errors, battery voltages. Changes nothing.

    Example: `anura-edge card check /media/card`

    Exit codes: 0 every recording is readable to its end, 8 some are not, or there is none.
    """
    from anura_edge.card.report import summarise_card
    from anura_edge.card.survey import survey_card
    from anura_edge.card.text import card_json, card_text

    skipped: list[str] = []
    zone = load(Config, config).audio.zone
    files = list(survey_card(expand_home(folder), zone, lambda _reason, detail, _count: skipped.append(detail)))
    card = summarise_card(files, datetime.now(UTC), skipped)
    typer.echo("\n".join(card_json(card, files)) if as_json else card_text(card, files))
    raise typer.Exit(ExitCode.OK if card.is_complete else ExitCode.SOME_UNREADABLE)
