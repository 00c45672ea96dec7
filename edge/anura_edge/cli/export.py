"""The command `export`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.cli.results import (
    ConfirmedOption,
    LatitudeOption,
    LongitudeOption,
    MinScoreOption,
    SinceOption,
    SiteOption,
    SitesOption,
    SpeciesOption,
    UntilOption,
    ZoneOption,
    default_place,
    make_filter,
    read_results,
)
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError

FORMATS = ("occupancy", "nightly", "hourly", "sunset")


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="New file; for occupancy a folder. Default: standard output."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    site: SiteOption = None,
    species: SpeciesOption = None,
    min_score: MinScoreOption = 0.0,
    confirmed_only: ConfirmedOption = None,
    sites: SitesOption = None,
    zone: ZoneOption = None,
    latitude: LatitudeOption = None,
    longitude: LongitudeOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a table of the results in the journal. Needs no base station.

    Example: `anura-edge export occupancy --zone America/Sao_Paulo --out occupancy`

    occupancy: for each species 1, 0 or NA by site and night, and the hours analysed, for unmarked, spOccupancy and
    camtrapR. nightly: calls, minutes with calls, first and last call of each night. hourly: calls and effort by hour of
    the local clock. sunset: the same by hours since sunset.

    Exit codes: 0 written, 2 a wrong option or an existing file, 5 no results or an unusable journal.
    """
    from anura_edge.results.new_file import create_file
    from anura_edge.results.tables.files import TABLES, write_occupancy

    if form not in FORMATS:
        raise ConfigError(f"there is no format {form!r}; the formats are {', '.join(FORMATS)}")
    if form == "occupancy" and out is None:
        raise ConfigError("occupancy writes several files; name a folder with --out")
    settings = load(Config, config)
    row_filter = make_filter(since, until, site, species, min_score, confirmed_only)
    out = expand_home(out) if out else None
    with read_results(settings, row_filter, sites, default_place(settings, zone, latitude, longitude)) as results:
        if out and form == "occupancy":
            count = write_occupancy(results.reader, results.places, row_filter, out)
            typer.echo(f"{count} files in {out}")
            return
        text = TABLES[form](results.reader, results.places, row_filter)
    if out is None:
        sys.stdout.write(text)
        return
    with create_file(out) as output:
        output.write(text.encode())
    typer.echo(f"{text.count(chr(10)) - 1:,} rows in {out}")
