"""The commands `anura-base backup`, `restore` and `export`."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from anura_base.cli.options import ConfigFile, Database, open_engine, open_new_engine
from anura_base.config.settings import load
from anura_base.exchange.backup import back_up
from anura_base.exchange.backup import restore as restore_backup
from anura_base.exchange.export import EXPORTS
from anura_base.exchange.export import export as export_parts
from anura_edge.errors import ConfigError
from anura_edge.results.new_file import create_file


def backup(
    file: Annotated[Path, typer.Argument(help="New file for the backup.")],
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Write the whole database into one new file. The base station may run meanwhile.

    Example: anura-base backup /media/usb/2026-06-15.db
    """
    with open_engine(config_file, database) as engine:
        rows = back_up(engine, file)
    typer.echo(f"{rows:,} rows in {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `anura-base backup` has written.")],
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Copy a backup into an empty database, SQLite or PostgreSQL.

    Example: anura-base restore 2026-06-15.db --database postgresql+psycopg://anura@db/anura
    """
    with open_new_engine(config_file, database) as engine:
        rows = restore_backup(file, engine)
    typer.echo(f"{rows:,} rows from {file}")


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(EXPORTS)}.")],
    out: Annotated[Path | None, typer.Option(help="New file. Without it the export goes to standard output.")] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="Only calls whose species a person confirmed or named.")
    ] = False,
    recordings: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the recordings as SITE/DEVICE/NAME, for `Begin Path` in the format raven."
            " Without it, the paths are relative to the table."
        ),
    ] = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Export all events, or all effort, in the format of another program.

    Example: anura-base export birdnet --out calls.csv
    """
    if form not in EXPORTS:
        raise ConfigError(f"there is no format {form!r}; the formats are {', '.join(EXPORTS)}")
    sites = load(config_file, database, None, None).sites
    folder = "" if recordings is None else str(recordings.absolute())
    rows = 0
    output_file = create_file(out) if out else nullcontext(sys.stdout.buffer)
    with open_engine(config_file, database) as engine, output_file as output:
        for part in export_parts(engine, form, sites, confirmed=confirmed, recordings=folder):
            output.write(part.data)
            rows += part.rows
    if out:
        typer.echo(f"{rows:,} rows in {out}")
