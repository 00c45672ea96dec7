"""The command `anura-base review`."""

import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from anura_base.cli.data import print_import
from anura_base.cli.output import progress_bar
from anura_edge.config.yaml_loader import is_zone
from anura_edge.errors import ConfigError
from anura_edge.results.journal_copy import JOURNAL


def review(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="File journal.db of a device, or its folder.")],
    recordings: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder that was scanned, for the audio. Default: only saved clips."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of the sites, as in America/Sao_Paulo.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="URL of the database for calls, clips and verdicts. Default: review.db beside the journal."),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="Port on 127.0.0.1. 0 chooses a free one.")
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, if there is a screen.")] = True,
) -> None:
    """Review the calls of a journal on this computer, without broker and devices. Verdicts are kept for the next time.

    Example: anura-base review /media/usb/journal.db --recordings /media/card/Data

    The pages answer only on this computer, until Ctrl-C. `anura-edge review` is the same with the settings of a device.

    Exit codes: 0 ended by Ctrl-C, 2 a wrong option, 5 an unusable journal or database.
    """
    from anura_base.local_review import REVIEWS, LocalReview, run_review

    if zone and not is_zone(zone):
        raise ConfigError(f"--zone {zone!r} is not a time zone; write one as in America/Sao_Paulo")
    if recordings and not recordings.is_dir():
        raise ConfigError(f"--recordings {recordings}: there is no such folder; name the one that was scanned")
    journal = journal / JOURNAL if journal.is_dir() else journal
    url = database or f"sqlite:///{journal.absolute().with_name(REVIEWS)}"
    with progress_bar("importing", is_shown=True) as progress:
        run_review(
            LocalReview(journal, recordings, url, zone, port),
            progress,
            lambda result: print_import(result, journal),
            lambda address: _open_page(f"{address}review", browser=browser),
        )


def _open_page(url: str, *, browser: bool) -> None:
    typer.echo(f"anura-base: {url} (stop with Ctrl-C)")
    # Without a screen the only browser would be one that takes over the terminal.
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        webbrowser.open(url)
