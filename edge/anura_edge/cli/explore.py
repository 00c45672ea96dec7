"""The command `explore`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.cli.process import stop_on_signals
from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load


def explore(
    recordings: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORDING", help="Recordings to show.", show_default=False)
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
    from anura_edge.sources.files.open_file import open_file

    settings, files = load(Config, config), [path.expanduser().resolve() for path in recordings or []]
    for file in files:
        open_file(file, file.name)  # report an unreadable recording before the page opens
    serve(settings, files, port, stop_on_signals(), lambda url: _open_page(url, browser=browser))


def _open_page(url: str, *, browser: bool) -> None:
    typer.echo(f"anura-edge: {url} (stop with Ctrl-C)")
    # Without a screen the only browser would be one that takes over the terminal.
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        import webbrowser

        webbrowser.open(url)
