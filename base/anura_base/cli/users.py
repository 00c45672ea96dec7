"""The commands `anura-base user`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from anura_base.access import accounts
from anura_base.access.roles import Role
from anura_base.cli.options import ConfigFile, Database, Json, open_new_transaction, open_transaction
from anura_base.cli.output import print_rows
from anura_edge.config.yaml_loader import read_password
from anura_edge.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Add, change and list the users who can log in.")

Name = Annotated[str, typer.Argument(help="User name, as in maria.silva.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File with the password in its first line. Without this option the command asks for it."),
]


@app.command("add")
def add_user(
    name: Name,
    role: Annotated[
        Role, typer.Option(help="view: see all pages. review: also review calls. admin: also change users.")
    ],
    password_file: PasswordFile = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Add a user. As soon as there is a user, everyone must log in.

    Example: anura-base user add maria --role admin
    """
    password = _read_password(password_file)
    with open_new_transaction(config_file, database) as connection:
        accounts.add_user(connection, name, role, password, datetime.now(UTC))
    typer.echo(f"{name} has the role {role.value}")


@app.command("password")
def change_password(
    name: Name,
    password_file: PasswordFile = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Set a new password for a user, and end all sessions of this user.

    Example: anura-base user password maria
    """
    password = _read_password(password_file)
    with open_transaction(config_file, database) as connection:
        accounts.change_password(connection, name, password)
    typer.echo(f"{name} has a new password and must log in again")


@app.command("role")
def change_role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="view, review or admin.")],
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Change the role of a user. Open sessions have the new role immediately.

    Example: anura-base user role maria review
    """
    with open_transaction(config_file, database) as connection:
        accounts.change_role(connection, name, role)
    typer.echo(f"{name} has the role {role.value}")


@app.command("remove")
def remove_user(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Delete a user and end all sessions of this user. Without users only this computer has access to the pages.

    Example: anura-base user remove maria
    """
    with open_transaction(config_file, database) as connection:
        accounts.remove_user(connection, name)
        was_last = not accounts.has_users(connection)
    typer.echo(f"{name} is removed" + ("; there are no more users" if was_last else ""))


@app.command("disable")
def disable_user(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Block the login of a user until `user enable`, and end all sessions of this user.

    Example: anura-base user disable maria
    """
    with open_transaction(config_file, database) as connection:
        accounts.disable_user(connection, name, datetime.now(UTC))
    typer.echo(f"{name} is disabled")


@app.command("enable")
def enable_user(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Allow the login of a disabled user again, with the same password and role.

    Example: anura-base user enable maria
    """
    with open_transaction(config_file, database) as connection:
        accounts.enable_user(connection, name)
    typer.echo(f"{name} is enabled")


@app.command("list")
def list_users(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show all users with their roles and sessions.

    Example: anura-base user list
    """
    with open_transaction(config_file, database) as connection:
        rows = accounts.list_users(connection)
    print_rows(rows, ("name", "role", "created_utc", "disabled_utc", "sessions", "used_utc"), as_json)


def _read_password(file: Path | None) -> str:
    """Return a password from a file or the terminal. No option takes it, because the process list shows options."""
    if file is not None:
        return read_password(file, "--password-file").get_secret_value()
    try:
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    except typer.Abort as error:
        raise ConfigError("no password was given; type it at the terminal, or use --password-file") from error
