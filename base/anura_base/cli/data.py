"""The commands `anura-base backup`, `restore`, `import` and `export`."""

import json
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from anura_base.cli.options import ConfigFile, Database, Json, open_engine, open_new_engine
from anura_base.cli.output import progress_bar
from anura_base.config.settings import load
from anura_base.exchange.backup import back_up
from anura_base.exchange.backup import restore as restore_backup
from anura_base.exchange.call_filter import ALL_CALLS, CallFilter, VerdictFilter
from anura_base.exchange.export import EXPORTS
from anura_base.exchange.export import export as export_parts
from anura_base.ingest.journal_import import ImportResult, import_journal
from anura_edge.errors import ConfigError, JournalError
from anura_edge.results.new_file import create_file
from anura_edge.wire import Owner


def backup(
    file: Annotated[Path, typer.Argument(help="New file for the backup.")],
    as_json: Json = False,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Write the whole database into one new file. The base station may run meanwhile.

    Example: anura-base backup /media/usb/2026-06-15.db
    """
    with open_engine(config_file, database) as engine:
        rows = back_up(engine, file)
    typer.echo(json.dumps({"rows": rows, "file": str(file)}) if as_json else f"{rows:,} rows in {file}")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `anura-base backup` has written.")],
    as_json: Json = False,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Copy a backup into an empty database, SQLite or PostgreSQL.

    Example: anura-base restore 2026-06-15.db --database postgresql+psycopg://anura@db/anura
    """
    with open_new_engine(config_file, database) as engine:
        rows = restore_backup(file, engine)
    typer.echo(json.dumps({"rows": rows, "file": str(file)}) if as_json else f"{rows:,} rows from {file}")


def import_(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="File journal.db of a device, or its folder.")],
    as_json: Json = False,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Store the rows of a journal that was brought on a disk. The base station and the device may run meanwhile.

    Example: anura-base import /media/usb/journal.db

    Rows that came before, over a link or by an import, add nothing. The file on the disk is only read.

    Exit codes: 0 all rows are stored, 5 the journal cannot be used, or some of its rows are refused.
    """
    clips = load(config_file, database, None, None).clips
    with open_new_engine(config_file, database) as engine, progress_bar("importing", not as_json) as progress:
        result = import_journal(engine, journal, clips, progress)
    if as_json:
        typer.echo(json.dumps(asdict(result), default=str))
    else:
        print_import(result, journal)
        _print_name_hint(result)
    if result.refused:
        seq, reason = next(iter(result.refused.items()))
        raise JournalError(f"{len(result.refused):,} rows are refused, the first is number {seq}: {reason}")


def print_import(result: ImportResult, journal: Path) -> None:
    """Print what an import did."""
    owners = ", ".join(f"{site}/{device}" for site, device in result.owners) or "no device"
    parts = ", ".join(f"{count:,} {name}" for name, count in result.new.items() if count > 0)
    typer.echo(
        f"{result.rows:,} rows of {owners} in {journal}, {sum(result.new.values()):,} of them new"
        + (f": {parts}" if parts else "")
        + (f"; {result.clips:,} new clips" if result.clips else "")
    )


def _print_name_hint(result: ImportResult) -> None:
    if Owner() in result.owners:
        site, device = Owner()
        typer.echo(
            f"{site}/{device} are the names of a device without settings; change them with"
            f" `anura-base site rename {site} NEW` and `anura-base device rename NEW/{device} NAME`"
        )


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
    calls = CallFilter(verdict=VerdictFilter.CONFIRMED) if confirmed else ALL_CALLS
    rows = 0
    output_file = create_file(out) if out else nullcontext(sys.stdout.buffer)
    with open_engine(config_file, database) as engine, output_file as output:
        for part in export_parts(engine, form, sites, calls, folder):
            output.write(part.data)
            rows += part.rows
    if out:
        typer.echo(f"{rows:,} rows in {out}")
