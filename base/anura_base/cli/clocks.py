"""The commands `anura-base clock`."""

import getpass
from typing import Annotated

import typer

from anura_base.analysis.set_clock import parse_offset, parse_start, set_offset, set_start
from anura_base.analysis.unknown_clocks import unknown_clocks
from anura_base.cli.options import ConfigFile, Database, Json, open_transaction
from anura_base.cli.output import print_records
from anura_edge.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="List recordings whose time is unknown, and correct their clocks.")

MAX_RECORDINGS = 100_000

Site = Annotated[str, typer.Argument(help="Name of the site.")]
Device = Annotated[str, typer.Argument(help="Name of the device.")]
By = Annotated[str | None, typer.Option(help="Who corrects the clock. The default is the user of this computer.")]


@app.command("list")
def list_clocks(as_json: Json = False, config_file: ConfigFile = None, database: Database = None) -> None:
    """Show the recordings whose clock is unknown, with the time of the recorder's own clock.

    Example: anura-base clock list
    """
    with open_transaction(config_file, database) as connection:
        found = unknown_clocks(connection, MAX_RECORDINGS)
    records = [
        {
            "site": each.site,
            "device": each.device,
            "recording": each.recording_name,
            "id": each.recording,
            "recorder_clock": f"{each.begin_utc:%Y-%m-%d %H:%M:%S}",
            "calls": each.calls,
            "analysed_h": round(each.analysed_h, 3),
        }
        for each in found
    ]
    print_records(records, ("site", "device", "recording", "recorder_clock", "calls", "analysed_h"), as_json)


@app.command("set")
def set_clock(
    site: Site,
    device: Device,
    utc_offset: Annotated[str | None, typer.Option(help="UTC offset of the recorder's clock, as in +10:00.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Time of the first sample of one recording, as in 2026-05-01T21:30:00+10:00.")
    ] = None,
    recording: Annotated[
        str | None, typer.Option(help="Name or id of a recording. Without it, all whose clock is unknown.")
    ] = None,
    by: By = None,
    config_file: ConfigFile = None,
    database: Database = None,
) -> None:
    """Correct the times of recordings whose clock is unknown. A base station may run meanwhile.

    Example: anura-base clock set pond sm4-1 --utc-offset +10:00
    """
    if (utc_offset is None) == (start is None):
        raise ConfigError("give either --utc-offset, or --start with --recording")
    if start is not None and recording is None:
        raise ConfigError("--start is the start of one recording; name it with --recording")
    person, count = by or getpass.getuser(), 1
    with open_transaction(config_file, database) as connection:
        if start is not None and recording is not None:
            set_start(connection, site, device, recording, parse_start(start), person)
        elif utc_offset is not None:
            count = set_offset(connection, site, device, recording, parse_offset(utc_offset), person)
    typer.echo(f"the clock of {count:,} recordings of {site}/{device} is corrected")
