"""`anura-edge scan --cluster`: a scan of an archive on a Dask cluster."""

import time
from pathlib import Path
from typing import NoReturn

import typer

from anura_edge.cli.options import named_path
from anura_edge.cli.process import stop_on_signals
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.errors import ConfigError, ExitCode


def scan_archive(archive: str, cluster: str, out: Path, settings: Config, *, as_json: bool) -> NoReturn:
    """Analyse an archive and exit.

    Raises ConfigError if the extra `cluster` is not installed.
    """
    try:
        from anura_edge.cluster.dispatch import connect
        from anura_edge.cluster.scan import ArchiveScan
    except ModuleNotFoundError as error:
        raise ConfigError(f"--cluster needs {error.name}; install: pip install 'anura-edge[cluster]'") from error
    from anura_edge.cli.output import model_worth, print_summary

    began_s, stop = time.monotonic(), stop_on_signals()
    if "://" not in archive:
        archive = str(expand_home(named_path(archive)).resolve())
    scan = ArchiveScan(archive, out, settings, stop)
    files = scan.plan()
    if not scan.is_done():
        with connect(cluster) as client:
            typer.echo(f"{files} files; the cluster's page: {client.dashboard_link}", err=True)
            scan.run(client)
    if stop.is_set():
        typer.echo(f"stopped; the parts in {out} are kept, and the next scan continues there", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED)
    summary = scan.merge(files, began_s)
    print_summary(summary, model_worth(scan.manifest, settings.detect.preset), as_json=as_json)
    raise typer.Exit(ExitCode.OK if summary.is_complete else ExitCode.SOME_UNREADABLE)
