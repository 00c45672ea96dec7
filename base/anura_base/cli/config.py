"""The commands `anura-base config check`, `show`, `schema` and `init`."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml
from sqlalchemy.engine import make_url

from anura_base.analysis.map_outline import read_outline
from anura_base.cli.options import ConfigFile
from anura_base.cli.settings_file import Answers, ask_all, settings_text
from anura_base.config.settings import Settings, load
from anura_base.db.engine import check_url
from anura_edge.config.yaml_loader import read_password
from anura_edge.errors import ConfigError
from anura_edge.results.new_file import create_file, refuse_existing

app = typer.Typer(no_args_is_help=True, help="Check, print and write the settings.")


@app.command()
def check(file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings file in YAML.")]) -> None:
    """Check a settings file, and that this machine has the files that it names.

    Example: anura-base config check base.yaml

    An error names the line, the value and what to write. Variables ANURA_BASE__SECTION__KEY count, too. Nothing is
    created, and no connection is made.
    """
    settings = load(file, None, None, None)
    if settings.database:
        check_url(settings.database)
    if settings.mqtt.password_file:
        read_password(settings.mqtt.password_file)
    read_outline(settings.map.outline_file)
    named = {
        "mqtt.ca_file": settings.mqtt.ca_file,
        "web.tls_cert_file": settings.web.tls_cert_file,
        "web.tls_key_file": settings.web.tls_key_file,
    }
    for key, path in named.items():
        if path and not path.is_file():
            raise ConfigError(f"{key}: there is no file {path}; name a PEM file")
    typer.echo(f"{file}: no errors")


@app.command()
def show(config_file: ConfigFile = None) -> None:
    """Print all settings in effect: defaults, settings file and variables ANURA_BASE__SECTION__KEY.

    Example: anura-base config show

    A password in the URL of the database is shown as ***.
    """
    settings = load(config_file, None, None, None)
    values = settings.model_dump(mode="json", by_alias=True)
    if settings.database:
        check_url(settings.database)
        values["database"] = make_url(settings.database).render_as_string(hide_password=True)
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the settings, with which an editor can check a file.

    Example: anura-base config schema > base.schema.json
    """
    typer.echo(json.dumps(Settings.model_json_schema(), indent=2))


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New settings file.")] = Path("base.yaml"),
    broker: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="MQTT broker of the devices.")] = None,
    username: Annotated[str | None, typer.Option(help="User name for the broker.")] = None,
    password_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="File with the password for the broker in its first line.")
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="PEM file of the broker's authority: TLS.")
    ] = None,
    web: Annotated[str | None, typer.Option(metavar="HOST[:PORT]", help="Address of the pages.")] = None,
    site: Annotated[str | None, typer.Option(help="Name of the first site, as the devices use it.")] = None,
    latitude: Annotated[str | None, typer.Option(help="Latitude of the site in degrees.")] = None,
    longitude: Annotated[str | None, typer.Option(help="Longitude of the site in degrees.")] = None,
    zone: Annotated[str | None, typer.Option(help="Time zone of the site, as in America/Sao_Paulo.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing. What no option gives has its default.")] = False,
) -> None:
    """Ask for broker, pages and first site, and write a settings file with comments.

    Example: anura-base config init --yes --broker 192.168.1.10 --site pond base.yaml

    An answer that cannot be right is asked for again. An existing file is never overwritten.
    """
    refuse_existing(file)
    given: Answers = {
        "broker": broker,
        "username": username,
        "password_file": password_file,
        "ca_file": ca_file,
        "web": web,
        "site": site,
        "latitude": latitude,
        "longitude": longitude,
        "zone": zone,
    }
    text = settings_text(ask_all(given, ask=not yes))
    with create_file(file) as output:
        output.write(text.encode())
    typer.echo(f"{file} is written. Next: anura-base config check {file}, then anura-base run --config {file}")
