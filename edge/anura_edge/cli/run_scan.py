"""Runs a scan of a folder or a file for the commands `scan` and `run`, and prints what it did."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from anura_edge.cli.process import stop_on_signals
from anura_edge.config.device import Config
from anura_edge.errors import ExitCode, SourceError

if TYPE_CHECKING:
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.app.site_opener import SiteOpener
    from anura_edge.sources.files.scan import FoundFile


def scan_and_exit(
    settings: Config,
    kind: str,
    path: Path,
    jobs: int = 1,
    *,
    reanalyse: bool,
    as_json: bool,
    opener: "SiteOpener | None" = None,
    write_results: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Analyse a `folder` or a `file`, call `write_results` if there are any, print a summary and exit.

    Raises SourceError if the path does not exist.
    """
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer
    from anura_edge.cli.progress import with_progress

    stop = stop_on_signals()
    with DeviceRuntime(settings, event_printer(as_json=as_json), stop) as runtime:
        if kind == "file":
            runtime.scan_files(single_file(path), reanalyse=reanalyse, opener=opener)
        else:
            folder = runtime.folder(path)
            files = with_progress(path, folder.scan_once(), runtime.summary)
            runtime.scan_files(files, folder.retry, reanalyse=reanalyse, jobs=jobs, opener=opener)
            if runtime.summary.is_empty and not stop.is_set():
                runtime.report_left("no_recordings", f"{path}: no recordings; is the card mounted, is it the folder?")
        runtime.wait_for_delivery()
    if runtime.summary.new or runtime.summary.known:
        write_results()
    finish(runtime, settings, as_json=as_json, interrupted=stop.is_set())


def finish(runtime: "DeviceRuntime", settings: Config, *, as_json: bool, interrupted: bool = False) -> NoReturn:
    """Print what a run did, and exit."""
    from anura_edge.cli.output import model_worth, print_summary

    summary = runtime.summary
    print_summary(summary, model_worth(runtime.manifest, settings.detect.preset), as_json=as_json)
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.OK if summary.is_complete else ExitCode.SOME_UNREADABLE)


def single_file(path: Path) -> "Iterator[FoundFile]":
    """Return one file that a person named.

    Raises SourceError if it does not exist, UnreadableError if it cannot be read.
    """
    from anura_edge.sources.files.open_file import open_file
    from anura_edge.sources.files.scan import FoundFile, printable

    path = path.resolve()  # follow a link that the user names
    if not path.is_file():
        raise SourceError(f"no file {path}; name a recording" + (", or write folder:PATH" if path.is_dir() else ""))
    open_file(path, path.name)  # an unreadable file is an error here, because there is no other one
    status = path.stat()
    return iter([FoundFile(path, printable(Path(path.name)), status.st_size, status.st_mtime_ns)])
