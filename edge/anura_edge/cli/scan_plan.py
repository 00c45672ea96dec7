"""Shows what a scan is going to do: before a scan of several sites, and with `--dry-run`."""

import json
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import typer

from anura_edge.app.scan_plan import ScanPlan, SitePlan, measure_speed, plan_names, plan_recordings
from anura_edge.app.site_opener import SiteOpener
from anura_edge.audio import ClockSource
from anura_edge.cli.run_scan import single_file
from anura_edge.config.device import Config
from anura_edge.errors import ConfigError, ExitCode
from anura_edge.sources.files.scan import FoundFile, scan
from anura_edge.store.database import Database
from anura_edge.store.scan_history import ScanHistory
from anura_edge.updates.active import active_bundle

EXAMPLES = 3


def show_sites(kind: str, path: Path, opener: SiteOpener) -> None:
    """Print the recordings of each site on stderr, before the scan.

    Raises ConfigError if a recording is of no site, or of two.
    """
    files = _files(kind, path)
    plan = plan_recordings(files, opener, None) if opener.needs_files else plan_names(files, opener)
    for site in _sites(plan):
        typer.echo(f"{site.site}: {site.recordings:,} recordings, {site.size_bytes / 1e6:,.1f} MB", err=True)
    if plan.without_site:
        raise ConfigError(
            f"{len(plan.without_site)} recordings are of no site, as {', '.join(plan.without_site[:EXAMPLES])}; name"
            " them in the table of --sites, or write --site NAME for all of them"
        )


def show_dry_run(settings: Config, kind: str, path: Path, opener: SiteOpener, jobs: int, *, as_json: bool) -> NoReturn:
    """Print what a scan is going to do, and exit. Nothing is analysed but the begin of one recording, and stored."""
    with ExitStack() as stack:
        history = None
        if settings.journal_path.is_file():
            database = stack.enter_context(closing(Database(settings.journal_path, settings.device.owner)))
            history = ScanHistory(database, active_bundle(settings).model_sha256)
        plan = plan_recordings(_files(kind, path), opener, history)
    speed = measure_speed(settings, plan.first_new) * jobs if plan.first_new else 0.0
    needed_s = plan.new_s / speed if speed else 0.0
    typer.echo(_plan_json(plan, needed_s) if as_json else _plan_text(plan, needed_s, speed, jobs))
    is_complete = plan.recordings and not (plan.unreadable or plan.without_site)
    raise typer.Exit(ExitCode.OK if is_complete else ExitCode.SOME_UNREADABLE)


def _files(kind: str, path: Path) -> Iterable[FoundFile]:
    return single_file(path) if kind == "file" else scan(path)


def _plan_text(plan: ScanPlan, needed_s: float, speed: float, jobs: int) -> str:
    """Return the plan as lines of text: sites, bad files, the time that it will take."""
    lines = [line for site in _sites(plan) for line in _site_lines(site)]
    lines += [f"  unreadable, {reason}: {count:,}" for reason, count in sorted(plan.unreadable.items())]
    if plan.without_site:
        lines.append(
            f"  ! {len(plan.without_site):,} recordings of no site, as {', '.join(plan.without_site[:EXAMPLES])}"
        )
    known = sum(site.known for site in plan.sites.values())
    lines.append(
        f"{plan.recordings:,} recordings of {len(plan.sites)} sites, {known:,} already analysed,"
        f" {sum(plan.unreadable.values()):,} unreadable; {_duration(plan.new_s)} to analyse"
    )
    if speed:
        lines.append(
            f"about {_duration(needed_s)} of work at {speed:,.0f} x real time, with {jobs} recordings at the same time"
        )
    return "\n".join(lines)


def _site_lines(site: SitePlan) -> list[str]:
    clocks = ", ".join(f"{clock} ({count:,})" for clock, count in sorted(site.clocks.items()))
    lines = [
        f"{site.site}: {site.recordings:,} recordings, {site.size_bytes / 1e6:,.1f} MB, {_duration(site.seconds)};"
        f" {_moment(site.first_utc)} to {_moment(site.last_utc)}; clock: {clocks}"
    ]
    if ClockSource.UNKNOWN in site.clocks:
        lines.append("  ! local times are read as UTC; write --utc-offset, or the column offset in the table of sites")
    return lines


def _plan_json(plan: ScanPlan, needed_s: float) -> str:
    """Return the plan as JSON: one object for each site, and one for the whole scan."""
    lines = [json.dumps({"site": asdict(site)}, default=lambda moment: moment.isoformat()) for site in _sites(plan)]
    whole = {
        "recordings": plan.recordings,
        "unreadable": plan.unreadable,
        "without_site": plan.without_site,
        "new_s": plan.new_s,
        "needed_s": needed_s,
    }
    return "\n".join([*lines, json.dumps({"plan": whole})])


def _sites(plan: ScanPlan) -> list[SitePlan]:
    return [plan.sites[name] for name in sorted(plan.sites)]


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z" if moment else "-"


def _duration(seconds: float) -> str:
    if seconds >= 7_200:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.1f} s"
