"""The command `review`. The base station's program serves its pages, in place of this process."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.cli.result_options import ResultsOption, ZoneOption
from anura_edge.cli.results import load_settings
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError

BASE = "anura_base.cli"
"""The base station's program. Its libraries are an extra, and it never runs inside the device's program."""

LIBRARIES = ("fastapi", "sqlalchemy", "uvicorn")


def review(
    recordings: Annotated[
        Path | None,
        typer.Option("--recordings", metavar="FOLDER", help="Folder that was scanned. Default: only saved clips."),
    ] = None,
    zone: ZoneOption = None,
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65_535, help="Port of the page on 127.0.0.1. 0 chooses a free one."),
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, if there is a screen.")] = True,
    results_folder: ResultsOption = None,
    config: ConfigOption = None,
) -> None:
    """Review the calls in the journal: hear them, see them, and confirm, reject or rename them by keys.

    Example: `anura-edge review --results results --recordings /media/card/Data`

    Verdicts are kept in review.db beside the journal. The page shows the precision of each species above each
    threshold, and gives the reviewed calls as a training set. It answers only on this computer, until Ctrl-C. It needs
    the extra `base`: pip install 'anura-edge[base]'.

    Exit codes: 0 ended by Ctrl-C, 2 a wrong option or a missing extra, 5 no results or an unusable journal.
    """
    settings = load_settings(config, results_folder)
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise ConfigError(f"the pages need {', '.join(missing)}; install them with pip install 'anura-edge[base]'")
    zone = zone or settings.device.zone
    options = [
        *(["--recordings", str(expand_home(recordings))] if recordings else []),
        *(["--zone", zone] if zone else []),
        *([] if browser else ["--no-browser"]),
        f"--port={port}",
    ]
    os.execv(sys.executable, [sys.executable, "-m", BASE, "review", str(settings.journal_path), *options])  # noqa: S606
