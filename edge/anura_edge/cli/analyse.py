"""The commands `run`, `scan` and `demo`.

A microphone is opened before the model is loaded, so the commands import most modules when they run.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from anura_edge.cli.archive import scan_archive
from anura_edge.cli.options import ConfigOption, JsonOption, ReanalyseOption, named_path
from anura_edge.cli.process import stop_on_signals
from anura_edge.cli.results import parse_formats, write_formats
from anura_edge.config.device import Config
from anura_edge.config.paths import expand_home
from anura_edge.config.source import Source, parse_source
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError, ExitCode, SourceError
from anura_edge.sources.microphone import capture_spawn

if TYPE_CHECKING:
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.sources.files.scan import FoundFile


def run(
    source: Annotated[
        str | None,
        typer.Option(metavar="SOURCE", help="`mic`, `folder:PATH` or `file:PATH`. Default: `source` of the settings."),
    ] = None,
    config: ConfigOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Wait for new recordings in the folder.")] = False,
    reanalyse: ReanalyseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Analyse a microphone, a folder or a file, store the results and send them to the base station.

    Example: `anura-edge run --source mic`

    A microphone runs until Ctrl-C or SIGTERM, as does a folder with `--watch`. Otherwise a folder or a file is analysed
    once, as by `anura-edge scan`, with the same exit codes.
    """
    settings = load(Config, config)
    chosen = _chosen_source(source, settings.source)
    if watch and chosen.kind != "folder":
        raise ConfigError("--watch needs a folder: write --source folder:PATH")
    if chosen.kind == "mic":
        _run_microphone(settings, as_json=as_json)
    if watch:
        _watch(settings, chosen.path, reanalyse=reanalyse, as_json=as_json)
    _scan(settings, chosen.kind, chosen.path, 1, reanalyse=reanalyse, as_json=as_json)


def scan(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A folder, for example of an SD card, or one recording. With `--cluster` also a URL, as s3://bucket.",
        ),
    ],
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=64, help="Recordings to analyse at the same time. Default: one per core."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Analyse on a Dask cluster: the address of its scheduler, or `local:N` for N workers on this machine."
            " Needs --out. Nothing is sent to a base station.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Also write the calls for other programs into this folder. Without a settings file the journal is"
            " there, too. With --cluster: the folder for the plan, the parts and the results.",
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="With --out: formats of the calls, with commas between. Default: raven,audacity,kaleidoscope,birdnet.",
        ),
    ] = None,
    per_recording: Annotated[
        bool, typer.Option("--per-recording", help="With --out: one file for each recording, in each format.")
    ] = False,
    site: Annotated[
        str | None, typer.Option(metavar="NAME", help="Site of these recordings. Default: device.site.")
    ] = None,
    utc_offset: Annotated[
        str | None,
        typer.Option(metavar="±hh:mm", help="Offset of the recorder's clock from UTC. Default: audio.utc_offset."),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of the site. Default: device.zone.")
    ] = None,
    config: ConfigOption = None,
    reanalyse: ReanalyseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Analyse each recording below a folder once, store the results and send them to the base station.

    Example: `anura-edge scan /media/card/Data --out results`

    Recordings that were analysed before are skipped. The rows, their ids and their order do not depend on `--jobs`.

    Exit codes: 0 all recordings are analysed, 2 wrong settings, 3 damaged model, 4 no such path, 5 unusable journal,
    8 some recordings are unreadable or not finished, or there is none, 130 interrupted.
    """
    if (formats or per_recording) and (out is None or cluster):
        raise ConfigError("--format and --per-recording need --out FOLDER, and go without --cluster")
    options = {
        "ANURA__DEVICE__SITE": site,
        "ANURA__DEVICE__ZONE": zone,
        "ANURA__AUDIO__UTC_OFFSET": utc_offset and f"'{utc_offset}'",
    }
    if out and not (cluster or config or "ANURA__STATE_DIR" in os.environ):
        options["ANURA__STATE_DIR"] = str(expand_home(out))
    settings = load(Config, config, os.environ | {name: value for name, value in options.items() if value})
    if cluster:
        if out is None or jobs or reanalyse:
            raise ConfigError("--cluster needs --out, and goes without --jobs and --reanalyse")
        scan_archive(path, cluster, expand_home(out), settings, as_json=as_json)
    names = parse_formats(formats)
    folder = expand_home(named_path(path))
    kind = "file" if folder.is_file() else "folder"

    def write() -> None:
        if out:
            root = folder if kind == "folder" else folder.parent
            write_formats(settings, names, expand_home(out), root, per_recording=per_recording)

    jobs = jobs or len(os.sched_getaffinity(0))
    _scan(settings, kind, folder, jobs, reanalyse=reanalyse, as_json=as_json, write_results=write)


def demo(as_json: JsonOption = False) -> None:
    """Analyse a small SD card that is part of this program. Needs no settings and no network, and leaves no files.

    Example: `anura-edge demo`
    """
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer, model_worth, print_summary
    from anura_edge.demo.card import UTC_OFFSET, write_card
    from anura_edge.sources.files.scan import scan as find_files

    with tempfile.TemporaryDirectory(prefix="anura-demo-") as folder:
        data = write_card(Path(folder))
        settings = load(Config, None, {"ANURA__STATE_DIR": folder, "ANURA__AUDIO__UTC_OFFSET": f"'{UTC_OFFSET}'"})
        with DeviceRuntime(settings, event_printer(as_json=as_json), stop_on_signals()) as runtime:
            runtime.scan_files(find_files(data))
    print_summary(runtime.summary, model_worth(runtime.manifest, settings.detect.preset), as_json=as_json)


def _run_microphone(settings: Config, *, as_json: bool) -> NoReturn:
    audio, stop = settings.audio, stop_on_signals()
    started = capture_spawn.spawn_capture(audio.microphone, None, audio.live_channel, audio.block_s)
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer
    from anura_edge.sources.microphone.capture_client import CaptureOpener

    with DeviceRuntime(settings, event_printer(as_json=as_json), stop) as runtime:
        runtime.run_microphone(CaptureOpener(audio.live_channel, audio.block_s, stop, started).open)
        runtime.wait_for_delivery()
    _finish(runtime, settings, as_json=as_json)


def _watch(settings: Config, path: Path, *, reanalyse: bool, as_json: bool) -> NoReturn:
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer

    with DeviceRuntime(settings, event_printer(as_json=as_json), stop_on_signals()) as runtime:
        folder = runtime.folder(path)
        runtime.scan_files(folder.watch(), folder.retry, reanalyse=reanalyse)
    _finish(runtime, settings, as_json=as_json)


def _scan(
    settings: Config,
    kind: str,
    path: Path,
    jobs: int,
    *,
    reanalyse: bool,
    as_json: bool,
    write_results: Callable[[], None] = lambda: None,
) -> NoReturn:
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer
    from anura_edge.cli.progress import with_progress

    stop = stop_on_signals()
    with DeviceRuntime(settings, event_printer(as_json=as_json), stop) as runtime:
        if kind == "folder":
            folder = runtime.folder(path)
            files = with_progress(path, folder.scan_once(), runtime.summary)
            runtime.scan_files(files, folder.retry, reanalyse=reanalyse, jobs=jobs)
            if runtime.summary.is_empty and not stop.is_set():
                runtime.report_left("no_recordings", f"{path}: no recordings; is the card mounted, is it the folder?")
        else:
            runtime.scan_files(_single_file(path), reanalyse=reanalyse)
        runtime.wait_for_delivery()
    if runtime.summary.new or runtime.summary.known:
        write_results()
    _finish(runtime, settings, as_json=as_json, interrupted=stop.is_set())


def _finish(runtime: "DeviceRuntime", settings: Config, *, as_json: bool, interrupted: bool = False) -> NoReturn:
    from anura_edge.cli.output import model_worth, print_summary

    summary = runtime.summary
    print_summary(summary, model_worth(runtime.manifest, settings.detect.preset), as_json=as_json)
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.OK if summary.is_complete else ExitCode.SOME_UNREADABLE)


def _chosen_source(option: str | None, setting: str | None) -> Source:
    text = option or setting
    if text is None:
        raise ConfigError("no source; write --source mic, folder:PATH or file:PATH, or set `source` in the settings")
    try:
        return parse_source(text)
    except ValueError as error:
        raise ConfigError(f"--source {text!r}: {error}") from error


def _single_file(path: Path) -> "Iterator[FoundFile]":
    from anura_edge.sources.files.open_file import open_file
    from anura_edge.sources.files.scan import FoundFile, printable

    path = path.resolve()  # follow a link that the user names
    if not path.is_file():
        raise SourceError(f"no file {path}; name a recording" + (", or write folder:PATH" if path.is_dir() else ""))
    open_file(path, path.name)  # an unreadable file is an error here, because there is no other one
    status = path.stat()
    return iter([FoundFile(path, printable(Path(path.name)), status.st_size, status.st_mtime_ns)])
