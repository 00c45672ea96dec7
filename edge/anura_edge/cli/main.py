"""The `anura-edge` command."""

import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
import yaml

from anura_edge import __version__
from anura_edge.config.device import Config
from anura_edge.config.yaml_loader import load
from anura_edge.errors import INTERRUPTED, SOME_UNREADABLE, AnuraError, ConfigError, SourceError
from anura_edge.inference.bundle import DEFAULT_BUNDLE, load_bundle
from anura_edge.sources.microphone import capture_spawn
from anura_edge.wire import EventRow

# A microphone is opened before the rest is loaded, so each command loads what it needs by itself.
if TYPE_CHECKING:
    from anura_edge.sources.files.scan import FoundFile
    from anura_edge.store.writer import RunSummary

app = typer.Typer(help="Hear frogs, and tell the base station.", no_args_is_help=True, pretty_exceptions_enable=False)
config_app = typer.Typer(help="Look at the settings.", no_args_is_help=True)
model_app = typer.Typer(help="Look at a model bundle.", no_args_is_help=True)
card_app = typer.Typer(help="Look at a recorder's card.", no_args_is_help=True)
app.add_typer(card_app, name="card")
app.add_typer(config_app, name="config")
app.add_typer(model_app, name="model")

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Settings, in YAML.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
BundleArgument = Annotated[Path, typer.Argument(help="A bundle's folder; the default is the one that comes along.")]


class _ToStderr(logging.Handler):
    """Writes to what `sys.stderr` is at the moment, so that a line stands above a progress bar and not in it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        sys.stderr.write(f"{self.format(record)}\n")


def main() -> None:
    """Run the command; a mistake of the user's ends with a message and a code of its own, never a traceback."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, handlers=[_ToStderr()])
    try:
        app()
    except AnuraError as error:
        typer.echo(f"anura-edge: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has seen enough
        _print_no_more()
        sys.exit(1)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Hear frogs, and tell the base station."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run(
    source: Annotated[str | None, typer.Option(help="mic, folder:PATH or file:PATH.")] = None,
    config: ConfigOption = None,
    watch_folder: Annotated[bool, typer.Option("--watch", help="Wait for new files in the folder.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Hear again what was heard under other settings.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Do a device's work: listen to what its settings name as `source`, and keep and send what is heard.

    Example: anura-edge run --source mic

    A microphone, and a folder with --watch, are listened to until interrupted; a folder or a file is heard once, as by
    `anura-edge scan`, whose help lists the exit codes.
    """
    settings = load(Config, config)
    kind, path = _parse_source(source or settings.source)
    if watch_folder and kind != "folder":
        raise ConfigError("--watch goes with folder:PATH")
    if kind != "mic" and not watch_folder:
        _scan(settings, kind, path, 1, again=again, as_json=as_json)
    audio, stop = settings.audio, _stop_on_signals()
    wanted = audio.microphone, None, audio.live_channel, audio.block_s
    started = capture_spawn.spawn_capture(*wanted) if kind == "mic" else None
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.sources.microphone.capture_client import CaptureOpener

    with DeviceRuntime(settings, _printer(as_json=as_json), stop) as runtime:
        if kind == "mic":
            runtime.run_microphone(CaptureOpener(audio.live_channel, audio.block_s, stop, started).open)
            runtime.wait_for_delivery()
        else:
            folder = runtime.folder(path)
            runtime.scan_files(folder.watch(), folder.retry, again=again)
    _print_summary(runtime.summary, as_json=as_json)
    raise typer.Exit(0 if runtime.summary.is_complete else SOME_UNREADABLE)


@app.command("scan")
def scan_once(
    path: Annotated[Path, typer.Argument(help="A card, any other folder, or one recording.")],
    jobs: Annotated[int | None, typer.Option(min=1, max=64, help="Recordings at a time; one for each core.")] = None,
    config: ConfigOption = None,
    again: Annotated[bool, typer.Option("--again", help="Hear again what was heard under other settings.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Hear each recording below a folder once, and keep and send what is heard.

    Example: anura-edge scan /media/card/Data

    Rows, their ids and their order are the same for any number of jobs.

    Ends with code 0, or with 8 if some recordings could not be read or are not finished (each is named, with the
    reason), 2 for wrong settings, 3 for a bad model, 4 for a source that is not there, 5 for a journal that cannot be
    used, 130 if it was interrupted before its end.
    """
    settings, kind = load(Config, config), "file" if path.expanduser().is_file() else "folder"
    jobs = jobs or len(os.sched_getaffinity(0))
    _scan(settings, kind, path.expanduser(), jobs, again=again, as_json=as_json)


@app.command()
def demo(as_json: JsonOption = False) -> None:
    """Hear a small SD card that comes along: no settings, no network, nothing left behind.

    Example: anura-edge demo
    """
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.demo.card import UTC_OFFSET, write_card
    from anura_edge.sources.files.scan import scan

    with tempfile.TemporaryDirectory(prefix="anura-demo-") as folder:
        data = write_card(Path(folder))
        settings = load(Config, None, {"ANURA__STATE_DIR": folder, "ANURA__AUDIO__UTC_OFFSET": f"'{UTC_OFFSET}'"})
        with DeviceRuntime(settings, _printer(as_json=as_json), _stop_on_signals()) as runtime:
            runtime.scan_files(scan(data))
    _print_summary(runtime.summary, as_json=as_json)


@app.command()
def explore(
    recordings: Annotated[
        list[Path] | None, typer.Argument(help="Recordings to look into.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where the page is; any free one if 0.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, where there is a screen.")] = True,
) -> None:
    """Look into recordings on a page in the browser: their sound, what the model made of it, and calls by settings.

    Example: anura-edge explore /media/card/Data/*.wav

    The page hears other files and the browser's microphone, too. Nothing is kept or sent; it is there for this machine
    alone, until interrupted.
    """
    from anura_edge.explore.server import serve
    from anura_edge.sources.files.audio_file import open_file

    settings, files = load(Config, config), [path.expanduser().resolve() for path in recordings or []]
    for file in files:
        open_file(file, file.name)
    serve(settings, files, port, _stop_on_signals(), lambda url: _ready(url, browser=browser))


@app.command()
def resend(
    since: Annotated[datetime | None, typer.Option(help="What was delivered since then, in UTC.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever the journal still has.")] = False,
    config: ConfigOption = None,
) -> None:
    """Queue again what was delivered, or refused, for a base station that has lost it; it knows the rows that it has.

    Example: anura-edge resend --since 2026-11-20

    Stop the device first (`systemctl stop anura-edge`), and start it again afterwards.
    """
    from anura_edge.app.device import acquire_lock
    from anura_edge.store.recovery import open_journal

    if everything == (since is not None):
        raise ConfigError("write --since DATE, or --all")
    path = load(Config, config).journal_path
    with closing(acquire_lock(path)), closing(open_journal(path)) as journal:
        count = journal.resend(since.replace(tzinfo=UTC) if since else None)
    typer.echo(f"{count} rows wait to be sent again")


@app.command()
def devices(as_json: JsonOption = False) -> None:
    """List the microphones.

    Example: anura-edge devices
    """
    from anura_edge.sources.microphone.devices import list_devices

    found = list_devices()
    if not found:
        typer.echo("no microphone: plug one in", err=True)
    for device in found:
        line = f"{'*' if device.is_default else ' '} {device.index:>3}  {device.name}  {device.channels} ch"
        line += f"  {device.rate_hz} Hz" + (f"  USB {device.usb}" if device.usb else "")
        typer.echo(json.dumps(asdict(device)) if as_json else line)


@card_app.command("check")
def card_check(
    folder: Annotated[Path, typer.Argument(help="The card, or its audio folder.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is on a card before it is heard: hours, broken files, gaps, clocks, batteries. Nothing is changed.

    Example: anura-edge card check /media/card

    Ends with code 0 if every recording can be heard to its end, with 8 if not.
    """
    from anura_edge.card.report import report
    from anura_edge.card.survey import survey
    from anura_edge.card.text import card_json, card_text

    files = list(survey(folder.expanduser(), load(Config, config).audio.zone))
    card = report(files, datetime.now(UTC))
    typer.echo("\n".join(card_json(card, files)) if as_json else card_text(card, files))
    raise typer.Exit(SOME_UNREADABLE if card.unreadable else 0)


@app.command()
def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look at every part of the device, and say what to do about what is not well. It may be at work meanwhile.

    Example: anura-edge doctor

    Ends with code 0 if everything works, 1 if something does not, 2 for wrong settings.
    """
    from anura_edge.app.doctor import Verdict, examine

    findings = []
    for finding in examine(load(Config, config)):
        findings.append(finding)
        line = f"{finding.verdict:<4}  {finding.part:<14}  {finding.detail}"
        typer.echo(json.dumps(asdict(finding)) if as_json else line)
    raise typer.Exit(any(finding.verdict == Verdict.FAIL for finding in findings))


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(help="Settings, in YAML.")]) -> None:
    """Read settings and say what is wrong with them.

    Example: anura-edge config check anura.yaml
    """
    load(Config, file)
    typer.echo(f"{file}: no mistakes")


@config_app.command("show")
def config_show(config: ConfigOption = None) -> None:
    """Print all settings as they would be used, with the defaults, from the file and from ANURA__SECTION__KEY.

    Example: anura-edge config show > anura.yaml
    """
    typer.echo(yaml.safe_dump(load(Config, config).effective(), sort_keys=False), nl=False)


@config_app.command("schema")
def config_schema() -> None:
    """Print the settings' JSON Schema, which editors can check a file against.

    Example: anura-edge config schema > anura.schema.json
    """
    typer.echo(json.dumps(Config.model_json_schema(), indent=2))


@model_app.command("info")
def model_info(bundle: BundleArgument = DEFAULT_BUNDLE, as_json: JsonOption = False) -> None:
    """Say what a model hears, how well, and under which licence.

    Example: anura-edge model info
    """
    from anura_edge.cli.output import bundle_text

    loaded = load_bundle(bundle)
    typer.echo(loaded.manifest.model_dump_json() if as_json else bundle_text(loaded))


@model_app.command("verify")
def model_verify(
    bundle: BundleArgument = DEFAULT_BUNDLE,
    public_key: Annotated[Path | None, typer.Option(help="Check the signature too, with this key in PEM.")] = None,
) -> None:
    """Check a bundle's files against its manifest, and the model against its golden clip.

    Example: anura-edge model verify
    """
    from anura_edge.inference.classifier import golden_difference, load_classifier

    loaded = load_bundle(bundle, public_key)
    change = golden_difference(loaded, load_classifier(loaded))
    signed = f"signed for {public_key}, " if public_key else ""
    typer.echo(f"{bundle}: {signed}{len(loaded.manifest.files)} files as listed, golden scores within {change:.1g}")


def _scan(settings: Config, kind: str, path: Path, jobs: int, *, again: bool, as_json: bool) -> NoReturn:
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.progress import followed

    stop = _stop_on_signals()
    with DeviceRuntime(settings, _printer(as_json=as_json), stop) as runtime:
        if kind == "folder":
            folder = runtime.folder(path)
            files = followed(path, folder.scan_once(), runtime.summary)
            runtime.scan_files(files, folder.retry, again=again, jobs=jobs)
        else:
            runtime.scan_files(_file(path), again=again)
        runtime.wait_for_delivery()
    _print_summary(runtime.summary, as_json=as_json)
    if stop.is_set():
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if runtime.summary.is_complete else SOME_UNREADABLE)


def _parse_source(text: str | None) -> tuple[str, Path]:
    kind, _, path = (text or "").partition(":")
    if kind == "mic" and not path:
        return kind, Path()
    if kind in ("folder", "file") and path:
        return kind, Path(path).expanduser()
    raise ConfigError(f"source {text!r}: write --source mic, folder:PATH or file:PATH, or set `source` in the settings")


def _file(path: Path) -> "Iterator[FoundFile]":
    from anura_edge.sources.files.audio_file import open_file
    from anura_edge.sources.files.scan import FoundFile, printable

    path = path.resolve()  # a link that is named is meant
    if not path.is_file():
        raise SourceError(f"no file {path}; name a recording" + (", or write folder:PATH" if path.is_dir() else ""))
    open_file(path, path.name)  # the only file there is must be one that can be heard
    status = path.stat()
    return iter([FoundFile(path, printable(Path(path.name)), status.st_size, status.st_mtime_ns)])


def _ready(url: str, *, browser: bool) -> None:
    typer.echo(f"anura-edge: {url} until interrupted")
    # Without a screen there is at most a browser that would take over the terminal.
    if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        import webbrowser

        webbrowser.open(url)


def _printer(*, as_json: bool) -> Callable[[EventRow], None]:
    from anura_edge.cli.output import event_line

    if as_json:
        return lambda row: _say(json.dumps({"event": row.model_dump(mode="json")}))
    return lambda row: _say(event_line(row))


def _print_summary(summary: "RunSummary", *, as_json: bool) -> None:
    from anura_edge.cli.output import summary_text

    _say(json.dumps({"summary": asdict(summary)}) if as_json else summary_text(summary))


def _say(text: str) -> None:
    """Print; where that fails, as on a full disk, hearing goes on without."""
    try:
        typer.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        logging.warning("cannot print what is heard: %s; it is kept and sent all the same", error.strerror)
        _print_no_more()


def _print_no_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop_on_signals() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
