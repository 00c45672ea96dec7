"""The command `export`."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.cli.results import (
    ConfirmedOption,
    LatitudeOption,
    LongitudeOption,
    MinScoreOption,
    Results,
    ResultsOption,
    SinceOption,
    SiteOption,
    SitesOption,
    SpeciesOption,
    UntilOption,
    ZoneOption,
    choose_places,
    load_settings,
    make_filter,
    read_results,
)
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError
from anura_edge.results.formats.parts import FormatContext, RowValues
from anura_edge.results.formats.registry import CALL_FORMATS
from anura_edge.results.new_file import create_file

FORMATS = (*CALL_FORMATS, "occupancy", "nightly", "hourly", "sunset")


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="New file; for several files a folder. Default: standard output."),
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
    per_recording: Annotated[
        bool, typer.Option("--per-recording", help="One file for each recording, in a folder. For formats of calls.")
    ] = False,
    recordings: Annotated[
        Path | None, typer.Option("--recordings", metavar="FOLDER", help="Folder that was scanned, for raven's paths.")
    ] = None,
    results_folder: ResultsOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the results in the journal for other programs. Needs no base station.

    Example: `anura-edge export occupancy --zone America/Sao_Paulo --out occupancy`

    raven, audacity, kaleidoscope, birdnet: all calls, for that program. occupancy: for each species 1, 0 or NA by site
    and night, and the hours analysed, for unmarked, spOccupancy and camtrapR. nightly: calls, minutes with calls, first
    and last call of each night. hourly: calls and effort by hour of the local clock. sunset: the same by hours since
    sunset.

    Exit codes: 0 written, 2 a wrong option or an existing file, 5 no results or an unusable journal.
    """
    if form not in FORMATS:
        raise ConfigError(f"there is no format {form!r}; the formats are {', '.join(FORMATS)}")
    if (form == "occupancy" or per_recording) and out is None:
        raise ConfigError("this writes several files; name a folder with --out")
    if per_recording and form not in CALL_FORMATS:
        raise ConfigError(f"--per-recording is for {', '.join(CALL_FORMATS)}; leave it out for {form}")
    settings = load_settings(config, results_folder)
    row_filter = make_filter(since, until, site, species, min_score, confirmed_only)
    out, places = expand_home(out) if out else None, choose_places(settings, sites, zone, latitude, longitude)
    with read_results(settings, row_filter, places, by_night=form not in CALL_FORMATS) as results:
        if form in CALL_FORMATS:
            folder = str(expand_home(recordings).absolute()) if recordings else ""
            context = FormatContext(results.places, folder)
            _write_calls(form, results.reader.calls(context), context, out, per_recording=per_recording)
        else:
            _write_table(form, results, out)


def _write_calls(
    form: str, calls: Iterator[RowValues], context: FormatContext, out: Path | None, *, per_recording: bool
) -> None:
    from anura_edge.results.formats.files import write_recordings

    if out and per_recording:
        typer.echo(f"{write_recordings(form, calls, context, out):,} files in {out}")
        return
    with create_file(out) if out else nullcontext(sys.stdout.buffer) as output:
        rows = 0
        for part in CALL_FORMATS[form].write(calls, context):
            output.write(part.data)
            rows += part.rows
    if out:
        typer.echo(f"{rows:,} calls in {out}")


def _write_table(form: str, results: Results, out: Path | None) -> None:
    from anura_edge.results.tables.files import TABLES, write_occupancy

    if out and form == "occupancy":
        count = write_occupancy(results.reader, results.places, results.row_filter, out)
        typer.echo(f"{count} files in {out}")
        return
    text = TABLES[form](results.reader, results.places, results.row_filter)
    if out is None:
        sys.stdout.write(text)
        return
    with create_file(out) as output:
        output.write(text.encode())
    typer.echo(f"{text.count(chr(10)) - 1:,} rows in {out}")
