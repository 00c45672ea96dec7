"""The commands `anura-base user` and `anura-base token`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from anura_base.access import accounts, tokens
from anura_base.access.roles import Role
from anura_base.config import settings
from anura_base.db.engine import open_database, write_transaction
from anura_edge.config.yaml_loader import read_password
from anura_edge.errors import ConfigError

users = typer.Typer(no_args_is_help=True, help="People who may log in at the base station's page.")
programs = typer.Typer(no_args_is_help=True, help="Tokens for programs that read the base station's API.")

Name = Annotated[str, typer.Argument(help="As in maria.silva.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The base station's settings, in YAML.")]
Database = Annotated[str | None, typer.Option(help="SQLAlchemy's URL, as for `anura-base run`.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="Its first line is the password. Without it the terminal is asked.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@users.command("add")
def add_user(
    name: Name,
    role: Annotated[Role, typer.Option(help="view sees, review judges calls, admin changes everything.")],
    password_file: PasswordFile = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Let somebody log in. From the first user on, everybody has to.

    Example: anura-base user add maria --role admin
    """
    password = _password(password_file)
    with _database(config_file, database) as connection:
        accounts.add_user(connection, name, role, password, datetime.now(UTC))
    typer.echo(f"{name} may {role.value}")


@users.command("password")
def change_password(
    name: Name,
    password_file: PasswordFile = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Give a user another password, and end all sessions of that user.

    Example: anura-base user password maria
    """
    password = _password(password_file)
    with _database(config_file, database) as connection:
        accounts.change_password(connection, name, password)
    typer.echo(f"{name} has another password, and has to log in again")


@users.command("role")
def change_role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="view, review or admin.")],
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Let a user do more or less, at once.

    Example: anura-base user role maria review
    """
    with _database(config_file, database) as connection:
        accounts.change_role(connection, name, role)
    typer.echo(f"{name} may {role.value}")


@users.command("remove")
def remove_user(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Let a user in no longer, at once. Without any user nobody logs in, and the page is for this machine alone.

    Example: anura-base user remove maria
    """
    with _database(config_file, database) as connection:
        accounts.remove_user(connection, name)
        alone = not accounts.has_users(connection)
    typer.echo(f"{name} is removed" + ("; there is no user any more" if alone else ""))


@users.command("disable")
def disable_user(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Let a user in no longer, at once, until `user enable`.

    Example: anura-base user disable maria
    """
    with _database(config_file, database) as connection:
        accounts.disable_user(connection, name, datetime.now(UTC))
    typer.echo(f"{name} is disabled")


@users.command("enable")
def enable_user(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Let a user in again, with the password and role of before.

    Example: anura-base user enable maria
    """
    with _database(config_file, database) as connection:
        accounts.enable_user(connection, name)
    typer.echo(f"{name} may log in")


@users.command("list")
def list_users(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show who may log in.

    Example: anura-base user list
    """
    with _database(config_file, database) as connection:
        rows = accounts.list_users(connection)
    _show(
        [dict(row._mapping) for row in rows],
        ("name", "role", "created_utc", "disabled_utc", "sessions", "used_utc"),
        as_json,
    )


@programs.command("add")
def add_token(
    name: Name,
    role: Annotated[
        Role, typer.Option(help="view reads, review and admin may change what such users may.")
    ] = Role.VIEW,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Make a token and print it, once: only a hash is kept. A program sends it as `Authorization: Bearer TOKEN`.

    Example: anura-base token add weekly-report --role view
    """
    with _database(config_file, database) as connection:
        token = tokens.add_token(connection, name, role, datetime.now(UTC))
    typer.echo(token)


@programs.command("remove")
def remove_token(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Let a token in no longer, at once.

    Example: anura-base token remove weekly-report
    """
    with _database(config_file, database) as connection:
        tokens.remove_token(connection, name)
    typer.echo(f"{name} is removed")


@programs.command("list")
def list_tokens(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show what tokens there are, and when each was last used.

    Example: anura-base token list
    """
    with _database(config_file, database) as connection:
        rows = tokens.list_tokens(connection)
    _show([dict(row._mapping) for row in rows], ("name", "role", "created_utc", "used_utc"), as_json)


@contextmanager
def _database(config_file: Path | None, database: str | None) -> Iterator[Connection]:
    """Open a transaction on the base station's database; it may be running."""
    engine = open_database(settings.load(config_file, database, None, None).database_url())
    try:
        with write_transaction(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def _password(file: Path | None) -> str:
    """Return a password that stands in no command line, so in no history and no list of processes."""
    if file is not None:
        return read_password(file, "--password-file").get_secret_value()
    try:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    except typer.Abort as error:
        raise ConfigError("no password was given; type it at the terminal, or name a --password-file") from error


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows, default=lambda moment: moment.isoformat()))
        return
    table = Table(*(column.removesuffix("_utc") for column in columns), box=None)
    for row in rows:
        table.add_row(*(_text(row[column]) for column in columns))
    Console().print(table)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    return "" if value is None else str(value)
