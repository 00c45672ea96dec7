"""The command `export`."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from anura_edge.cli.result_options import ResultOptions, with_result_options
from anura_edge.cli.results import Results
from anura_edge.cli.write_formats import FormatParts, write_per_recording
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError
from anura_edge.results.formats.parts import FormatContext
from anura_edge.results.formats.registry import CALL_FORMATS, FORMATS
from anura_edge.results.journal_source import JournalSource
from anura_edge.results.new_file import create_file

NAMES = (*FORMATS, "occupancy", "nightly", "hourly", "sunset")


@with_result_options
def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(NAMES)}.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PATH", help="New file; for several files a folder. Default: standard output."),
    ] = None,
    per_recording: Annotated[
        bool, typer.Option("--per-recording", help="One file for each recording, in a folder. For formats of calls.")
    ] = False,
    recordings: Annotated[
        Path | None, typer.Option("--recordings", metavar="FOLDER", help="Folder that was scanned, for raven's paths.")
    ] = None,
    *,
    chosen: ResultOptions,
) -> None:
    """Write the results in the journal for other programs. Needs no base station.

    Example: `anura-edge export occupancy --zone America/Sao_Paulo --out occupancy`

    raven, audacity, kaleidoscope, birdnet: all calls, for that program. csv, parquet: all columns of the calls. aoef:
    for Whombat and soundevent. camtrap-dp and darwin-core: for GBIF; camtrap-dp needs the positions of the sites.
    effort, parquet-effort: what was analysed. occupancy: for each species 1, 0 or NA by site and night, and the hours
    analysed, for unmarked, spOccupancy and camtrapR. nightly: calls, minutes with calls, first and last call of each
    night. hourly: calls and effort by hour of the local clock. sunset: the same by hours since sunset.

    Exit codes: 0 written, 2 a wrong option or an existing file, 5 no results or an unusable journal.
    """
    if form not in NAMES:
        raise ConfigError(f"there is no format {form!r}; the formats are {', '.join(NAMES)}")
    if (form == "occupancy" or per_recording) and out is None:
        raise ConfigError("this writes several files; name a folder with --out")
    if per_recording and form not in CALL_FORMATS:
        raise ConfigError(f"--per-recording is for {', '.join(CALL_FORMATS)}; leave it out for {form}")
    out = expand_home(out) if out else None
    with chosen.read(by_night=form not in FORMATS) as results:
        if form in FORMATS:
            folder = str(expand_home(recordings).absolute()) if recordings else ""
            source = JournalSource(results.reader, FormatContext(results.places, folder))
            _write_format(form, source, out, per_recording=per_recording)
        else:
            _write_table(form, results, out)


def _write_format(form: str, source: JournalSource, out: Path | None, *, per_recording: bool) -> None:
    if out and per_recording:
        typer.echo(f"{write_per_recording(form, source, out)} in {out}")
        return
    parts = FormatParts(form, source)
    with create_file(out) if out else nullcontext(sys.stdout.buffer) as output:
        for part in parts:
            output.write(part)
    if out:
        typer.echo(f"{parts.rows_text} in {out}")


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
