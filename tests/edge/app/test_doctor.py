"""Each broken part is found, by name and with a remedy, and no other part fails."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from support import Broker, free_port

from anura_edge.app.device import DeviceRuntime
from anura_edge.app.doctor import CheckResult, Finding, examine
from anura_edge.config.analysis import ModelSettings
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.operation import DiskSettings, MqttSettings
from anura_edge.system import hardware


@pytest.fixture
def config(tmp_path: Path, stream_path: Path, broker: Broker) -> Config:
    return Config(
        state_dir=tmp_path / "state",
        source=f"folder:{tmp_path}",
        model=ModelSettings(bundle=stream_path),
        device=DeviceSettings(site="pond", name="one"),
        mqtt=MqttSettings(host="127.0.0.1", port=broker.port),
    )


def check(config: Config) -> dict[str, Finding]:
    return {finding.part: finding for finding in examine(config)}


def only_one_fails(config: Config, part: str) -> str:
    """Return the detail of the one part that fails."""
    findings = check(config)
    assert [name for name, finding in findings.items() if finding.verdict == CheckResult.FAIL] == [part]
    return findings[part].detail


def test_healthy_or_running_device_passes(config: Config) -> None:
    assert CheckResult.FAIL not in {finding.verdict for finding in examine(config)}
    assert not config.state_dir.exists(), "a check changes nothing"
    with DeviceRuntime(config, print, Event()):
        findings = check(config)
    assert CheckResult.FAIL not in {finding.verdict for finding in findings.values()}
    assert "0 rows wait" in findings["journal"].detail
    assert "accepts this device, without TLS" in findings["broker"].detail


def test_changed_model_fails(config: Config, own_bundle: Path) -> None:
    (own_bundle / "model.onnx").write_bytes(b"x")
    assert "model.onnx" in only_one_fails(
        config.model_copy(update={"model": ModelSettings(bundle=own_bundle)}), "model"
    )


def test_absent_broker_fails_and_no_broker_warns(config: Config) -> None:
    away = config.model_copy(update={"mqtt": MqttSettings(host="127.0.0.1", port=free_port())})
    assert "Connection refused" in only_one_fails(away, "broker")
    assert check(config.model_copy(update={"mqtt": None}))["broker"].verdict == CheckResult.WARN


def test_broker_that_refuses_the_login_fails(config: Config, broker: Broker) -> None:
    broker.stop()
    broker.settings = "allow_anonymous false\n"
    broker.start()
    assert "Not authorized" in only_one_fails(config, "broker")


def test_unusable_state_dir_fails(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    detail = check(config.model_copy(update={"state_dir": tmp_path / "file"}))["journal"].detail
    assert "is not a folder that can be written" in detail


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"not a database" * 1_000), "not a database"),
        (lambda path: sqlite3.connect(path).close(), "no such table"),
    ],
)
def test_unreadable_journal_fails(config: Config, spoil: Callable[[Path], Any], message: str) -> None:
    config.state_dir.mkdir()
    spoil(config.journal_path)
    assert message in only_one_fails(config, "journal")


def test_damaged_journal_fails_unchanged(config: Config) -> None:
    with DeviceRuntime(config, print, Event()):
        pass
    whole = config.journal_path.read_bytes()
    damaged = whole[:5_000] + bytes(b ^ 0xFF for b in whole[5_000:20_000]) + whole[20_000:]
    config.journal_path.write_bytes(damaged)
    only_one_fails(config, "journal")
    assert config.journal_path.read_bytes() == damaged


def test_disk_below_its_limit_fails(config: Config) -> None:
    assert "make room" in only_one_fails(config.model_copy(update={"disk": DiskSettings(min_free_mb=1e9)}), "disk")


@pytest.mark.parametrize(
    ("temperature_c", "bits", "verdict", "message"),
    [
        (None, None, CheckResult.OK, "no sensor"),
        (45.0, 0, CheckResult.OK, "45 °C"),
        (85.0, 0, CheckResult.WARN, "shade"),
        (45.0, 0x5_0000, CheckResult.WARN, "battery"),
    ],
)
def test_heat_and_low_voltage_are_warnings(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    temperature_c: float | None,
    bits: int | None,
    verdict: CheckResult,
    message: str,
) -> None:
    monkeypatch.setattr(hardware, "temperature_c", lambda: temperature_c)
    monkeypatch.setattr(hardware, "throttled_bits", lambda: bits)
    finding = check(config)["heat and power"]
    assert finding.verdict == verdict
    assert message in finding.detail


@pytest.mark.parametrize(
    ("synchronised", "verdict"), [(True, CheckResult.OK), (False, CheckResult.WARN), (None, CheckResult.WARN)]
)
def test_unsynchronised_clock_is_a_warning(
    config: Config, monkeypatch: pytest.MonkeyPatch, synchronised: bool | None, verdict: CheckResult
) -> None:
    monkeypatch.setattr(hardware, "clock_synchronised", lambda: synchronised)
    assert check(config)["clock"].verdict == verdict
