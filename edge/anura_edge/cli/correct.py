"""The command `correct`: sites and clocks of analysed recordings."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_edge.cli.options import ConfigOption
from anura_edge.cli.result_options import ResultsOption
from anura_edge.cli.results import load_settings
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError, JournalError
from anura_edge.sites.finder import SiteFinder
from anura_edge.sites.table import FILE_NAME, SiteLine, merge_lines, parse_utc_offset, read_lines, sites_csv
from anura_edge.wire import is_name

if TYPE_CHECKING:
    from anura_edge.store.corrections import RecordingCorrection


def correct(
    sites: Annotated[
        Path | None,
        typer.Option(
            "--sites",
            metavar="FILE",
            help="CSV table of the sites, as of `scan`. Default, without another option: the one beside the journal.",
        ),
    ] = None,
    site: Annotated[str | None, typer.Option(metavar="NAME", help="The right site of the recordings.")] = None,
    utc_offset: Annotated[
        str | None, typer.Option(metavar="±hh:mm", help="The right offset of the recorder's clock from UTC.")
    ] = None,
    clock_shift_s: Annotated[
        float, typer.Option("--clock-shift", metavar="SECONDS", help="How slow the clock was; negative if it was fast.")
    ] = 0.0,
    recordings: Annotated[
        str, typer.Option(metavar="PATTERN", help="Only recordings with such a path below the folder that was scanned.")
    ] = "*",
    of_site: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only recordings that are of this site now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    results: ResultsOption = None,
    config: ConfigOption = None,
) -> None:
    """Correct the sites and the clocks of recordings that were analysed, without analysing them again.

    Example: `anura-edge correct --results results --recordings 'pond/*' --utc-offset=-05:00`

    Stop the device first. The corrected rows are sent to the base station again, and replace the former ones there. An
    offset replaces an earlier correction of the time; a shift is added each time. What a recorder says about its offset
    or its GPS stays.

    Exit codes: 0 corrected, or nothing was wrong, 2 a wrong option, 5 no results or an unusable journal.
    """
    from anura_edge.app.corrections import WantedCorrection, plan_corrections
    from anura_edge.app.lock import acquire_lock
    from anura_edge.store.corrections import correct_recordings, stored_recordings
    from anura_edge.store.recovery import open_journal

    settings = load_settings(config, results)
    path, beside = settings.journal_path, settings.journal_path.with_name(FILE_NAME)
    if not path.is_file():
        raise JournalError(f"no journal {path}; analyse recordings with anura-edge scan FOLDER, or set state_dir")
    lines = _lines(sites, beside, site, is_alone=not (utc_offset or clock_shift_s))
    finder = SiteFinder(lines, None, SiteLine(site) if site else None)
    shift = timedelta(seconds=clock_shift_s)
    wanted = WantedCorrection(finder, _offset(utc_offset), shift, recordings, of_site)
    with closing(acquire_lock(path)), closing(open_journal(path, settings.device.owner)) as journal:
        found = plan_corrections(stored_recordings(journal.database), wanted, datetime.now(UTC))
        rows = 0 if dry_run else correct_recordings(journal.database, found)
    _report(found, rows, dry_run=dry_run)
    if not dry_run:
        _remember(beside, lines, found)


def _lines(sites: Path | None, beside: Path, site: str | None, *, is_alone: bool) -> Sequence[SiteLine]:
    """Return the lines of the table of the options, or of the one beside the journal if there is no other option."""
    if site and (sites or not is_name(site)):
        raise ConfigError(f"--site {site!r}: write a name of up to 32 letters, digits, _ and -, and no --sites")
    if sites or (is_alone and not site):
        if not sites and not beside.exists():
            raise ConfigError("nothing to correct; write --sites, --site, --utc-offset or --clock-shift")
        lines = read_lines(expand_home(sites) if sites else beside)
        if any(line.serial for line in lines):
            raise ConfigError(
                "the journal does not know serial numbers; name the folder or the prefix in the table, or repeat the"
                " scan with --sites and --reanalyse"
            )
        return lines
    return []


def _offset(text: str | None) -> timezone | None:
    try:
        return parse_utc_offset(text or "")
    except ValueError as error:
        raise ConfigError(f"--utc-offset {text!r} is not an offset; write one as in -05:00") from error


def _report(found: "Sequence[RecordingCorrection]", rows: int, *, dry_run: bool) -> None:
    for each in found:
        site = f", {each.recording.owner.site} -> {each.owner.site}" if each.changes_site else ""
        time = f", {each.shift.total_seconds():+,.0f} s, clock {each.clock_source}" if each.changes_time else ""
        typer.echo(f"{each.recording.name}{site}{time}")
    done = "would be corrected" if dry_run else f"corrected, {rows:,} rows; repeat the scan to write the files of --out"
    typer.echo(f"{len(found):,} recordings {done}" if found else "nothing was wrong")


def _remember(file: Path, lines: Sequence[SiteLine], found: "Sequence[RecordingCorrection]") -> None:
    """Add the sites to the table beside the journal. A site that was renamed keeps its place."""
    from anura_edge.results.new_file import replace_file

    former = read_lines(file) if file.exists() else []
    moved = {each.recording.owner.site: each.owner.site for each in found if each.changes_site}
    known = {line.site for line in [*former, *lines]}
    renamed = [replace(line, site=moved[line.site]) for line in former if moved.get(line.site, line.site) not in known]
    if new := [*(line for line in lines if line.zone or line.has_key), *renamed]:
        replace_file(file, [sites_csv(merge_lines(former, new)).encode()])
