"""Health reports and watchdog signals, received by a simulated service manager."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from support import Broker, eventually, free_port

from anura_edge import wire
from anura_edge.app.device import DeviceRuntime
from anura_edge.config.analysis import ModelSettings
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.energy import BatterySettings, EnergySettings
from anura_edge.config.operation import HealthSettings, MqttSettings
from anura_edge.errors import ModelError
from anura_edge.sources.files.scan import FoundFile
from anura_edge.testing import SimulatedClock, SimulatedMicrophone, faint_noise

WATCHED = {"WATCHDOG_USEC": "200000"}
TIMEOUT_S = 0.5


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        for name, value in {"NOTIFY_SOCKET": str(tmp_path / "notify"), **WATCHED}.items():
            monkeypatch.setenv(name, value)
        yield listener


@pytest.fixture
def config(tmp_path: Path, stream_path: Path) -> Config:
    health = HealthSettings(interval_s=0.1, watchdog_timeout_s=TIMEOUT_S)
    return Config(state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path), health=health)


def message(manager: socket.socket) -> str:
    return manager.recv(10_000).decode()


def messages_until(manager: socket.socket, expected: str) -> list[str]:
    """Receive messages until one contains `expected`. Return them all."""
    received = [message(manager)]
    while expected not in received[-1]:
        received.append(message(manager))
    return received


def assert_no_watchdog_signals(manager: socket.socket, count: int = 5) -> None:
    """Receive `count` messages, and check that they are status reports only."""
    received = [message(manager) for _ in range(count)]
    assert all(text.startswith("STATUS=") for text in received), received


def test_blocked_source_stops_the_watchdog(config: Config, manager: socket.socket) -> None:
    release = Event()

    def blocked_source() -> Iterator[FoundFile]:
        release.wait(30)
        yield from ()

    with DeviceRuntime(config, print, Event()) as runtime:
        assert message(manager) == "READY=1"
        messages_until(manager, "WATCHDOG=1")
        scanning = Thread(target=runtime.scan_files, args=[blocked_source()])
        scanning.start()
        messages_until(manager, "no audio comes and no file is read")
        assert_no_watchdog_signals(manager)
        release.set()
        scanning.join(30)
        messages_until(manager, "WATCHDOG=1")
    assert messages_until(manager, "STOPPING=1")


def test_silent_microphone_driver_is_a_problem(
    config: Config, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anura_edge.health.report.SILENCE_S", 0.3)
    with DeviceRuntime(config, print, Event()) as runtime:
        messages_until(manager, "STATUS=well")
        runtime.heartbeats.is_live = True
        messages_until(manager, "check the microphone")
        messages_until(manager, "WATCHDOG=1")


def test_empty_battery_pauses_the_device(config: Config, tmp_path: Path) -> None:
    (tmp_path / "charge").write_text("9")
    metrics = tmp_path / "anura.prom"
    energy = EnergySettings(battery=BatterySettings(capacity_file=tmp_path / "charge"))
    health = HealthSettings(interval_s=0.1, prometheus_file=metrics)
    clock, stop = SimulatedClock(1_795_000_000.0), Event()
    device = SimulatedMicrophone(clock, clock.monotonic_s + 60, stop, faint_noise())
    with DeviceRuntime(config.model_copy(update={"energy": energy, "health": health}), print, stop) as runtime:
        eventually(lambda: metrics.exists() and "anura_battery_percent 9\n" in metrics.read_text())
        runtime.run_microphone(device.open, clock)
        eventually(lambda: "anura_audio_paused_seconds_total 60" in metrics.read_text())
    assert runtime.summary.seconds == {"paused": pytest.approx(60, abs=0.3)}


def test_unreachable_broker_is_a_problem_but_no_hang(config: Config, manager: socket.socket) -> None:
    away = MqttSettings(host="127.0.0.1", port=free_port())
    with DeviceRuntime(config.model_copy(update={"mqtt": away}), print, Event()):
        messages_until(manager, "0 rows wait: broker 127.0.0.1")
        for _ in range(10):
            messages_until(manager, "WATCHDOG=1")


@pytest.fixture
def hanging_bundle(write_bundle: Callable[..., Path], window_model: Any, tmp_path: Path) -> Path:
    """A model that passes its golden clip, and counts to 2^62 when the audio is very loud."""
    onnx = pytest.importorskip("onnx", reason="the model is made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load_from_string(window_model.graph)
    node, value = helper.make_node, helper.make_tensor_value_info
    body = helper.make_graph(
        [node("Identity", ["on"], ["still_on"]), node("Identity", ["p"], ["next_p"])],
        "count",
        [value("i", TensorProto.INT64, []), value("on", TensorProto.BOOL, []), value("p", TensorProto.FLOAT, None)],
        [value("still_on", TensorProto.BOOL, []), value("next_p", TensorProto.FLOAT, None)],
    )
    model.graph.node[-1].output[0] = "at_once"
    model.graph.node.extend(
        [
            node("ReduceMax", ["audio"], ["loudest"], keepdims=0),
            node("Greater", ["loudest", "very_loud"], ["hangs"]),
            node("Cast", ["hangs"], ["times"], to=TensorProto.INT64),
            node("Mul", ["times", "forever"], ["trips"]),
            node("Loop", ["trips", "", "at_once"], ["probabilities"], body=body),
        ]
    )
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(0.95), "very_loud"),
            numpy_helper.from_array(np.int64(2**62), "forever"),
        ]
    )
    window_model = type(window_model)("window", model.SerializeToString(), window_model.labels)
    return write_bundle(tmp_path / "hanging", window_model)


def test_hung_model_stops_the_watchdog_of_the_program(
    manager: socket.socket, hanging_bundle: Path, tmp_path: Path
) -> None:
    sf.write(tmp_path / "loud.wav", np.ones(160_000, np.float32), 8_000, subtype="FLOAT")
    settings = {
        "ANURA__STATE_DIR": str(tmp_path / "state"),
        "ANURA__MODEL__BUNDLE": str(hanging_bundle),
        "ANURA__HEALTH__INTERVAL_S": "0.1",
        "ANURA__HEALTH__WATCHDOG_TIMEOUT_S": str(TIMEOUT_S),
    }
    program = [sys.executable, "-c", "from anura_edge.cli.main import main; main()", "run", "--source"]
    process = subprocess.Popen([*program, f"file:{tmp_path / 'loud.wav'}"], env={**os.environ, **settings})
    try:
        assert message(manager) == "READY=1"
        assert (tmp_path / "state" / "journal.db").exists()
        messages_until(manager, "WATCHDOG=1")
        messages_until(manager, "the model does not answer")
        assert_no_watchdog_signals(manager)
    finally:
        process.kill()
        process.wait()


def test_failed_start_is_never_reported_ready(manager: socket.socket, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        DeviceRuntime(config.model_copy(update={"model": ModelSettings(bundle=tmp_path)}), print, Event())
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        message(manager)


def test_failed_report_does_not_stop_the_watchdog(config: Config, manager: socket.socket) -> None:
    nowhere = config.health.model_copy(update={"prometheus_file": Path("/proc/none/anura.prom")})
    with DeviceRuntime(config.model_copy(update={"health": nowhere}), print, Event()):
        for _ in range(3):
            messages_until(manager, "WATCHDOG=1")


def test_health_reaches_the_broker_and_prometheus(
    config: Config, broker: Broker, tmp_path: Path, subscribe: Callable[..., list[Any]]
) -> None:
    messages = subscribe(broker.port, "anura/v1/pond/one/health")
    changes = {
        "device": DeviceSettings(site="pond", name="one"),
        "mqtt": MqttSettings(host="127.0.0.1", port=broker.port, delivery="broker"),
        "health": config.health.model_copy(update={"prometheus_file": tmp_path / "anura.prom"}),
    }
    with DeviceRuntime(config.model_copy(update=changes), print, Event()) as runtime:
        eventually(lambda: len(messages) > 1)
        eventually((tmp_path / "anura.prom").exists)
        health = wire.Health.from_bytes(messages[-1].payload)
        assert health.problems == ()
        assert health.disk_free_bytes
        assert health.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert (health.pending, health.oldest_pending_s, health.since_sample_s) == (0, None, None)
        assert runtime.heartbeats.overdue() == []
    late_messages = subscribe(broker.port, "anura/v1/pond/one/health")
    (retained,) = eventually(lambda: late_messages)
    assert retained.retain
    assert 0 < retained.properties.MessageExpiryInterval <= 1
