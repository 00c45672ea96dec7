"""The commands `anura-base token`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from anura_base.access import tokens
from anura_base.access.roles import Role
from anura_base.cli.options import ConfigFile, Database, Json, open_transaction
from anura_base.cli.output import print_rows

app = typer.Typer(no_args_is_help=True, help="Add, list and remove tokens for programs that use the API.")

Name = Annotated[str, typer.Argument(help="Name of the token, as in weekly-report.")]


@app.command("add")
def add_token(
    name: Name,
    role: Annotated[
        Role, typer.Option(help="view: read only. review and admin: the same rights as users with this role.")
    ] = Role.VIEW,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Make a token and print it once. Only a hash is stored. A program sends it as `Authorization: Bearer TOKEN`.

    Example: anura-base token add weekly-report --role view
    """
    with open_transaction(config_file, database) as connection:
        token = tokens.add_token(connection, name, role, datetime.now(UTC))
    typer.echo(token)


@app.command("remove")
def remove_token(name: Name, config_file: ConfigFile = None, database: Database = None) -> None:
    """Delete a token. It is invalid immediately.

    Example: anura-base token remove weekly-report
    """
    with open_transaction(config_file, database) as connection:
        tokens.remove_token(connection, name)
    typer.echo(f"{name} is removed")


@app.command("list")
def list_tokens(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show all tokens with their roles and last use.

    Example: anura-base token list
    """
    with open_transaction(config_file, database) as connection:
        rows = tokens.list_tokens(connection)
    print_rows(rows, ("name", "role", "created_utc", "used_utc"), as_json)
