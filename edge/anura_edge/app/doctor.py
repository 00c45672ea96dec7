"""Checks each part of a device: it works, needs attention or is broken, with the remedy."""

import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Event

import numpy as np

from anura_edge.app.lock import is_locked
from anura_edge.app.preflight import check_broker_files, check_source
from anura_edge.audio import FULL_SCALE, FloatArray
from anura_edge.config.device import Config
from anura_edge.delivery.connection import MqttConnection
from anura_edge.detection.detector import rules_for
from anura_edge.dsp.signal_quality import SILENT_RANGE
from anura_edge.errors import AnuraError, SourceError
from anura_edge.health.disk import shortfall
from anura_edge.inference.golden import golden_difference
from anura_edge.inference.loading import load_model
from anura_edge.sources.microphone.capture_client import Capture, CaptureProcess
from anura_edge.sources.microphone.reconnect import SILENT_DRIVER_S
from anura_edge.store.database import damaged_mark
from anura_edge.system import hardware
from anura_edge.system.hardware import Space
from anura_edge.updates.active import active_settings
from anura_edge.wire import Status, topic

HOT_C = 80.0
"""A Raspberry Pi slows down at this temperature (Raspberry Pi documentation, "Frequency management")."""


class CheckResult(StrEnum):
    """The result of one check of `anura-edge doctor`."""

    OK = "ok"
    WARN = "warn"
    """It works, but needs attention."""
    FAIL = "fail"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the device, and the result of its check."""

    part: str
    verdict: CheckResult
    detail: str
    """What was found, and the remedy if something is wrong."""


def examine(config: Config) -> Iterator[Finding]:
    """Check one part after another. Nothing is changed, and a running device is not disturbed."""
    for part, check in CHECKS.items():
        try:
            verdict, detail = check(config)
        except (AnuraError, OSError) as error:
            verdict, detail = CheckResult.FAIL, str(error)
        yield Finding(part, verdict, detail)


def _model(config: Config) -> tuple[CheckResult, str]:
    bundle, model = load_model(active_settings(config), config.engines_path)
    rules_for(bundle, config.detect)
    change = golden_difference(bundle, model)
    return CheckResult.OK, f"{bundle.manifest.id} {bundle.manifest.version}, golden scores within {change:.1g}"


def _journal(config: Config) -> tuple[CheckResult, str]:
    path = config.journal_path
    if not os.access(_nearest(path), os.W_OK) or not _nearest(path).is_dir():
        return (
            CheckResult.FAIL,
            f"{_nearest(path)} is not a folder that can be written; set state_dir, or check the disk",
        )
    if not path.exists() and is_locked(path):
        return CheckResult.FAIL, f"{path} was deleted while the device runs; restart it, and it saves its rows"
    if not path.exists():
        return CheckResult.OK, f"no journal yet; it will be {path}"
    try:
        # Read only: the device itself repairs a damaged journal.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=5, uri=True)) as db:
            (integrity,) = db.execute("PRAGMA quick_check(1)").fetchone()
            (pending,) = db.execute("SELECT count(*) FROM outbox").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return CheckResult.FAIL, f"cannot read {path}: {error}; check its owner and permissions"
    if damaged_mark(path).exists():
        return CheckResult.FAIL, f"{path} was damaged when it was last used; the next start copies what can be read"
    if integrity != "ok":
        return CheckResult.FAIL, f"{path} is damaged: {integrity}; the next start copies what can be read"
    return CheckResult.OK, f"{path}, {pending:,} rows wait"


def _nearest(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.exists())


def _broker(config: Config) -> tuple[CheckResult, str]:
    if not (mqtt := config.mqtt):
        return CheckResult.WARN, "none is set, so all rows wait in the journal; set mqtt.host"
    check_broker_files(mqtt)
    site, device = config.device.site, config.device.name
    connection = MqttConnection(
        mqtt,
        mqtt.password(),
        # Under the device's own client id the broker would disconnect the device that is running.
        f"anura-doctor-{site}-{device}-{os.getpid()}",
        will=(topic(site, device, "status"), Status(state="offline").to_bytes()),
        ack_topic=topic(site, device, "ack"),
    )
    try:
        connection.open()
    except (AnuraError, OSError) as error:
        return CheckResult.FAIL, f"{mqtt.host}:{mqtt.port}: {error}; check host, port, password and certificate"
    finally:
        connection.close()
    return CheckResult.OK, f"{mqtt.host}:{mqtt.port} accepts this device, {'with' if mqtt.ca_file else 'without'} TLS"


def _source(config: Config) -> tuple[CheckResult, str]:
    check_source(config)
    return (
        CheckResult.OK,
        config.source or "the settings name none, so the command line must: --source mic, or a folder",
    )


def _microphone(config: Config) -> tuple[CheckResult, str]:
    if config.source != "mic":
        return CheckResult.OK, "the settings use none"
    if is_locked(config.journal_path):
        return CheckResult.OK, "in use by the running device; its health message says when audio last arrived"
    capture = CaptureProcess(config.audio.microphone, None, config.audio.live_channel, config.audio.block_s, Event())
    try:
        samples = _record_one_second(capture)
    finally:
        capture.close()
    if np.ptp(samples) < SILENT_RANGE:
        return CheckResult.FAIL, f"{capture.name} gives one flat line; check its cable and its switch"
    level_dbfs = 10 * math.log10(np.square(samples[:, -1]).mean())
    detail = f"{capture.name}, {capture.rate_hz} Hz, {level_dbfs:.0f} dBFS over one second"
    if np.abs(samples[:, -1]).max() >= FULL_SCALE:
        return CheckResult.WARN, f"{detail}, up to full scale; turn its gain down"
    return CheckResult.OK, detail


def _record_one_second(capture: Capture) -> FloatArray:
    """Return audio of shape (samples, channels)."""
    blocks: list[FloatArray] = []
    while sum(map(len, blocks)) < capture.rate_hz:
        if not (block := capture.read(SILENT_DRIVER_S)):
            raise SourceError(f"{capture.name}: no audio for {SILENT_DRIVER_S:g} s; unplug it and plug it in again")
        blocks.append(block.samples)
    return np.concatenate(blocks)


def _disk(config: Config) -> tuple[CheckResult, str]:
    folder = next(parent for parent in config.journal_path.parents if parent.exists())
    left = hardware.space(folder)
    detail = f"{left.free_bytes / 1e6:,.0f} MB free at {folder}"
    if shortfall(left, config.disk, was_low=False) != Space(0, 0):
        return CheckResult.FAIL, f"{detail}, less than disk.min_free_mb or disk.min_free_inodes want; make room"
    return CheckResult.OK, detail


def _clock(_: Config) -> tuple[CheckResult, str]:
    match hardware.clock_synchronised():
        case True:
            return CheckResult.OK, "synchronised by NTP or another source"
        case False:
            return CheckResult.WARN, "not synchronised; enable NTP, or set it before each deployment"
        case None:
            return CheckResult.WARN, "this machine does not report whether it is synchronised"


def _heat_and_power(_: Config) -> tuple[CheckResult, str]:
    temperature_c, bits = hardware.temperature_c(), hardware.throttled_bits() or 0
    detail = "no sensor" if temperature_c is None else f"{temperature_c:.0f} °C"
    if bits & 0x1_0001:
        return CheckResult.WARN, f"{detail}; the supply voltage was too low since the start; check battery and cable"
    if temperature_c is not None and temperature_c >= HOT_C:
        return CheckResult.WARN, f"{detail}: the processor slows down; give it shade and air"
    return CheckResult.OK, detail


CHECKS: dict[str, Callable[[Config], tuple[CheckResult, str]]] = {
    "model": _model,
    "journal": _journal,
    "broker": _broker,
    "source": _source,
    "microphone": _microphone,
    "disk": _disk,
    "clock": _clock,
    "heat and power": _heat_and_power,
}
"""The checks, in order."""
