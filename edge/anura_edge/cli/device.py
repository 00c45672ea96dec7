"""The commands `doctor`, `devices` and `resend`."""

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anura_edge.cli.options import ConfigOption, JsonOption
from anura_edge.config.device import Config
from anura_edge.config.remote_settings import load_device
from anura_edge.config.yaml_loader import load
from anura_edge.errors import ConfigError, ExitCode
from anura_edge.results.new_file import create_file, refuse_existing

if TYPE_CHECKING:
    from anura_edge.app.doctor import Finding


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Also write a zip file for people who help you. No secrets."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check model, journal, broker, microphone, disk, clock and temperature, and say how to repair them.

    Example: `anura-edge doctor`

    Changes nothing; the device may run meanwhile. The file of `--bundle` has the results, the settings, versions and
    counts of the journal, without passwords, names of sites and recordings, and precise places.

    Exit codes: 0 every part works, 1 a part does not work, 2 wrong settings.
    """
    from anura_edge.app.doctor import CheckResult, examine

    findings, settings = [], load_device(config)
    if bundle:
        refuse_existing(bundle)
    for finding in examine(settings):
        findings.append(finding)
        line = f"{finding.verdict:<4}  {finding.part:<14}  {finding.detail}"
        typer.echo(json.dumps(asdict(finding)) if as_json else line)
    if bundle:
        _write_bundle(bundle, settings, findings)
    has_failed = any(finding.verdict == CheckResult.FAIL for finding in findings)
    raise typer.Exit(ExitCode.FAILED if has_failed else ExitCode.OK)


def _write_bundle(file: Path, settings: Config, findings: "list[Finding]") -> None:
    from anura_edge.app.support_bundle import write_bundle

    with create_file(file) as output:
        names = write_bundle(output, settings, findings)
    typer.echo(f"{file}: {', '.join(names)}; read them before you send it", err=True)


def devices(as_json: JsonOption = False) -> None:
    """List the microphones, with channels and sampling rate. `*` marks the system's default.

    Example: `anura-edge devices`

    Write the USB id, the name or a part of it into `audio.microphone` to choose one.
    """
    from anura_edge.sources.microphone.devices import list_devices

    microphones = list_devices()
    if not microphones:
        typer.echo("no microphone; connect one", err=True)
    for microphone in microphones:
        mark, usb = "*" if microphone.is_default else " ", f"  USB {microphone.usb}" if microphone.usb else ""
        line = (
            f"{mark} {microphone.index:>3}  {microphone.name}  {microphone.channels} ch  {microphone.rate_hz} Hz{usb}"
        )
        typer.echo(json.dumps(asdict(microphone)) if as_json else line)


def resend(
    since: Annotated[
        datetime | None,
        typer.Option(metavar="DATE", help="Send rows again that were delivered or refused since this time, in UTC."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Send all rows again that the journal still has.")] = False,
    config: ConfigOption = None,
) -> None:
    """Send delivered rows again to a base station that has lost its database.

    Example: `anura-edge resend --since 2026-11-20`

    The base station stores each row once. Stop the device first (`systemctl stop anura-edge`), and start it afterwards.
    """
    from anura_edge.app.lock import acquire_lock
    from anura_edge.store.recovery import open_journal

    if everything == (since is not None):
        raise ConfigError("write either --since DATE or --all")
    settings = load(Config, config)
    path = settings.journal_path
    with closing(acquire_lock(path)), closing(open_journal(path, settings.device.owner)) as journal:
        count = journal.outbox.resend(since.replace(tzinfo=UTC) if since else None)
    typer.echo(f"{count} rows wait to be sent again")
