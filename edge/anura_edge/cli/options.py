"""Arguments and options that several commands share."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError


def named_path(text: str) -> Path:
    """Return a path that was named. An empty name would be the current folder.

    Raises ConfigError if it is empty.
    """
    if not text.strip():
        raise ConfigError("the path is empty; name a folder or a recording, and check the variable that holds it")
    return Path(text)


def load_with_options(config: Path | None, options: Mapping[str, tuple[str, str | None]]) -> Config:
    """Return the settings of a file and the environment, with those of options that were given.

    `options` has the variable that stands for each option, and its value. Raises ConfigError, which names the option.
    """
    given = {variable: value for variable, value in options.values() if value}
    try:
        return load(Config, config, os.environ | given)
    except ConfigError as error:
        text = str(error)
        for option, (variable, value) in options.items():
            text = text.replace(f"{variable}: ", f"{option}: ") if value else text
        raise ConfigError(text) from error


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
