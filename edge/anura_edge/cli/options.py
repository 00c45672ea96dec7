"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from anura_edge.errors import ConfigError


def named_path(text: str) -> Path:
    """Return a path that was named. An empty name would be the current folder.

    Raises ConfigError if it is empty.
    """
    if not text.strip():
        raise ConfigError("the path is empty; name a folder or a recording, and check the variable that holds it")
    return Path(text)


ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file in YAML. Default: no file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
ReanalyseOption = Annotated[
    bool,
    typer.Option(
        "--reanalyse",
        help="Analyse recordings again that were analysed before. The new results replace the old ones, with the site,"
        " the name and the time that hold now.",
    ),
]
BundleArgument = Annotated[
    Path,
    typer.Argument(metavar="BUNDLE", show_default=False, help="Folder of a model bundle, or default, small or stream."),
]
