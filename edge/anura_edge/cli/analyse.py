"""The commands `run` and `demo`.

A microphone is opened before the model is loaded, so the commands import most modules when they run.
"""

import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from anura_edge.cli.options import ConfigOption, JsonOption, ReanalyseOption
from anura_edge.cli.process import stop_on_signals
from anura_edge.cli.run_scan import finish, scan_and_exit
from anura_edge.config.device import Config
from anura_edge.config.remote_settings import RemoteSettings
from anura_edge.config.source import Source, parse_source
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError
from anura_edge.sources.microphone import capture_spawn


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
    own = load(Config, config)
    remote = RemoteSettings(own.state_path)
    remote.begin_start()
    settings = remote.apply(own)
    chosen = _chosen_source(source, settings.source)
    if watch and chosen.kind != "folder":
        raise ConfigError("--watch needs a folder: write --source folder:PATH")
    if chosen.kind == "mic":
        _run_microphone(settings, own, as_json=as_json)
    if watch:
        _watch(settings, own, chosen.path, reanalyse=reanalyse, as_json=as_json)
    scan_and_exit(settings, chosen.kind, chosen.path, 1, reanalyse=reanalyse, as_json=as_json)


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


def _run_microphone(settings: Config, own: Config, *, as_json: bool) -> NoReturn:
    audio, stop = settings.audio, stop_on_signals()
    started = capture_spawn.spawn_capture(audio.microphone, None, audio.live_channel, audio.block_s)
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer
    from anura_edge.sources.microphone.capture_client import CaptureOpener

    with DeviceRuntime(settings, event_printer(as_json=as_json), stop, own) as runtime:
        runtime.run_microphone(CaptureOpener(audio.live_channel, audio.block_s, stop, started).open)
        runtime.wait_for_delivery()
    finish(runtime, settings, as_json=as_json)


def _watch(settings: Config, own: Config, path: Path, *, reanalyse: bool, as_json: bool) -> NoReturn:
    from anura_edge.app.device import DeviceRuntime
    from anura_edge.cli.output import event_printer

    with DeviceRuntime(settings, event_printer(as_json=as_json), stop_on_signals(), own) as runtime:
        folder = runtime.folder(path)
        runtime.scan_files(folder.watch(), folder.retry, reanalyse=reanalyse)
    finish(runtime, settings, as_json=as_json)


def _chosen_source(option: str | None, setting: str | None) -> Source:
    text = option or setting
    if text is None:
        raise ConfigError("no source; write --source mic, folder:PATH or file:PATH, or set `source` in the settings")
    try:
        return parse_source(text)
    except ValueError as error:
        raise ConfigError(f"--source {text!r}: {error}") from error
