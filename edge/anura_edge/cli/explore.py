"""The command `explore`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption, named_path
from anura_edge.cli.process import stop_on_signals
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.config.yaml_loader import load
from anura_edge.errors import SourceError


def explore(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RECORDING", help="Recordings to show.", show_default=False, parser=named_path),
    ] = None,
    config: ConfigOption = None,
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65_535, help="Port of the page on 127.0.0.1. 0 chooses a free one."),
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, if there is a screen.")] = True,
) -> None:
    """Show recordings in the browser: waveform, spectrogram, scores, and the calls for settings that you choose.

    Example: `anura-edge explore /media/card/Data/*.wav`

    The page also analyses other files and the browser's microphone. Nothing is stored or sent. The page answers only on
    this machine, until Ctrl-C.
    """
    from anura_edge.explore.server import serve

    settings, files = load(Config, config), [expand_home(path).resolve() for path in recordings or []]
    serve(settings, _readable(files), port, stop_on_signals(), lambda url: _open_page(url, browser=browser))


def _readable(files: list[Path]) -> list[Path]:
    """Return the recordings that can be read, and report the others before the page opens.

    Raises UnreadableError if none can be read.
    """
    from anura_edge.sources.files.open_file import open_file

    readable, errors = [], []
    for file in files:
        try:
            open_file(file, file.name)
        except SourceError as unreadable:
            errors.append(unreadable)
        else:
            readable.append(file)
    if errors and not readable:
        raise errors[0]
    for error in errors:
        typer.echo(f"anura-edge: {error}; it is left out", err=True)
    return readable


def _open_page(url: str, *, browser: bool) -> None:
    typer.echo(f"anura-edge: {url} (stop with Ctrl-C)")
    # Without a screen the only browser would be one that takes over the terminal.
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        import webbrowser

        webbrowser.open(url)
