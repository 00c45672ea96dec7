"""The commands `config check`, `config show` and `config schema`."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from anura_edge.cli.options import ConfigOption
from anura_edge.config.device import Config
from anura_edge.config.remote_settings import load_device
from anura_edge.config.yaml_loader import load

app = typer.Typer(help="Check and print the settings.", no_args_is_help=True)


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings file in YAML.")]) -> None:
    """Check a settings file, and that this machine has the model, files and folders that it names.

    Example: `anura-edge config check anura.yaml`

    An error names the line, the value and the allowed range. Environment variables `ANURA__SECTION__KEY` count, too.
    """
    from anura_edge.app.preflight import check_settings  # numpy: no other command of this group needs it

    check_settings(load(Config, file))
    typer.echo(f"{file}: no errors")


@app.command()
def show(config: ConfigOption = None) -> None:
    """Print all settings in effect: defaults, settings file, variables `ANURA__SECTION__KEY`, remote changes.

    Example: `anura-edge config show > anura.yaml`
    """
    typer.echo(yaml.safe_dump(load_device(config).effective(), sort_keys=False), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings, with which an editor can check a file.

    Example: `anura-edge config schema > anura.schema.json`
    """
    typer.echo(json.dumps(Config.model_json_schema(), indent=2))
