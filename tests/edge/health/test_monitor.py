"""Ready means ready, and the watchdog is fed only while everything makes progress: with a fake service manager."""

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
from hypothesis import given
from hypothesis import strategies as st
from support import Broker, eventually, free_port

from anura_edge import wire
from anura_edge.app.device import DeviceRuntime
from anura_edge.config.analysis import ModelSettings
from anura_edge.config.device import Config, DeviceSettings
from anura_edge.config.energy import BatterySettings, EnergySettings
from anura_edge.config.operation import HealthSettings, MqttSettings
from anura_edge.errors import ModelError
from anura_edge.health.monitor import Backlog
from anura_edge.sources.files.scan import FoundFile
from anura_edge.testing import SimulatedClock, SimulatedMicrophone, faint_noise

WATCHED = {"WATCHDOG_USEC": "200000"}
PATIENCE_S = 0.5


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
    health = HealthSettings(interval_s=0.1, watchdog_timeout_s=PATIENCE_S)
    return Config(state_dir=tmp_path / "state", model=ModelSettings(bundle=stream_path), health=health)


def word(manager: socket.socket) -> str:
    return manager.recv(10_000).decode()


def words_until(manager: socket.socket, wanted: str) -> list[str]:
    """Return what the device says until it says something that has `wanted` in it."""
    said = [word(manager)]
    while wanted not in said[-1]:
        said.append(word(manager))
    return said


def statuses_without_food(manager: socket.socket, count: int = 5) -> None:
    """Hear the device say a few times how it is, and see that it does not feed the watchdog in between."""
    said = [word(manager) for _ in range(count)]
    assert all(text.startswith("STATUS=") for text in said), said


def test_blocked_source_stops_the_watchdog(config: Config, manager: socket.socket) -> None:
    go_on = Event()

    def blocks() -> Iterator[FoundFile]:
        go_on.wait(30)
        yield from ()

    with DeviceRuntime(config, print, Event()) as runtime:
        assert word(manager) == "READY=1"
        words_until(manager, "WATCHDOG=1")
        hearing = Thread(target=runtime.scan_files, args=[blocks()])
        hearing.start()
        words_until(manager, "no audio comes and no file is read")
        statuses_without_food(manager)
        go_on.set()
        hearing.join(30)
        words_until(manager, "WATCHDOG=1")
    assert words_until(manager, "STOPPING=1")


def test_silent_microphone_driver_is_a_problem(
    config: Config, manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anura_edge.health.monitor.SILENCE_S", 0.3)
    with DeviceRuntime(config, print, Event()) as runtime:
        words_until(manager, "STATUS=well")
        runtime.heartbeats.is_live = True
        words_until(manager, "check the microphone")
        words_until(manager, "WATCHDOG=1")


def test_empty_battery_pauses_the_device(config: Config, tmp_path: Path) -> None:
    (tmp_path / "charge").write_text("9")
    told = tmp_path / "anura.prom"
    energy = EnergySettings(battery=BatterySettings(capacity_file=tmp_path / "charge"))
    health = HealthSettings(interval_s=0.1, prometheus_file=told)
    clock, stop = SimulatedClock(1_795_000_000.0), Event()
    device = SimulatedMicrophone(clock, clock.monotonic_s + 60, stop, faint_noise())
    with DeviceRuntime(config.model_copy(update={"energy": energy, "health": health}), print, stop) as runtime:
        eventually(lambda: told.exists() and "anura_battery_percent 9\n" in told.read_text())
        runtime.run_microphone(device.open, clock)
        eventually(lambda: "anura_audio_paused_seconds_total 60" in told.read_text())
    assert runtime.summary.seconds == {"paused": pytest.approx(60, abs=0.3)}


def test_unreachable_broker_is_a_problem_but_no_hang(config: Config, manager: socket.socket) -> None:
    away = MqttSettings(host="127.0.0.1", port=free_port())
    with DeviceRuntime(config.model_copy(update={"mqtt": away}), print, Event()):
        words_until(manager, "0 rows wait: broker 127.0.0.1")
        for _ in range(10):
            words_until(manager, "WATCHDOG=1")


@pytest.fixture
def hanging_bundle(write_bundle: Callable[..., Path], window_model: Any, tmp_path: Path) -> Path:
    """A model that proves itself on its golden clip, and counts to 2^62 when it hears something very loud."""
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
        "ANURA__HEALTH__WATCHDOG_TIMEOUT_S": str(PATIENCE_S),
    }
    program = [sys.executable, "-c", "from anura_edge.cli.main import main; main()", "run", "--source"]
    process = subprocess.Popen([*program, f"file:{tmp_path / 'loud.wav'}"], env={**os.environ, **settings})
    try:
        assert word(manager) == "READY=1"
        assert (tmp_path / "state" / "journal.db").exists()
        words_until(manager, "WATCHDOG=1")
        words_until(manager, "the model does not answer")
        statuses_without_food(manager)
    finally:
        process.kill()
        process.wait()


def test_failed_start_is_never_reported_ready(manager: socket.socket, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        DeviceRuntime(config.model_copy(update={"model": ModelSettings(bundle=tmp_path)}), print, Event())
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        word(manager)


def test_failed_report_does_not_stop_the_watchdog(config: Config, manager: socket.socket) -> None:
    nowhere = config.health.model_copy(update={"prometheus_file": Path("/proc/none/anura.prom")})
    with DeviceRuntime(config.model_copy(update={"health": nowhere}), print, Event()):
        for _ in range(3):
            words_until(manager, "WATCHDOG=1")


def test_health_reaches_the_broker_and_prometheus(
    config: Config, broker: Broker, tmp_path: Path, hear_topic: Callable[..., list[Any]]
) -> None:
    heard = hear_topic(broker.port, "anura/v1/pond/one/health")
    changes = {
        "device": DeviceSettings(site="pond", name="one"),
        "mqtt": MqttSettings(host="127.0.0.1", port=broker.port, delivery="broker"),
        "health": config.health.model_copy(update={"prometheus_file": tmp_path / "anura.prom"}),
    }
    with DeviceRuntime(config.model_copy(update=changes), print, Event()) as runtime:
        eventually(lambda: len(heard) > 1)
        eventually((tmp_path / "anura.prom").exists)
        health = wire.Health.from_bytes(heard[-1].payload)
        assert health.problems == ()
        assert health.disk_free_bytes
        assert health.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert (health.pending, health.oldest_pending_s, health.since_sample_s) == (0, None, None)
        assert runtime.heartbeats.overdue() == []
    late_comer = hear_topic(broker.port, "anura/v1/pond/one/health")
    (kept,) = eventually(lambda: late_comer)
    assert kept.retain
    assert 0 < kept.properties.MessageExpiryInterval <= 1


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 50), st.integers(0, 50)), max_size=40))
def test_backlog_age_is_that_of_the_oldest_row(steps: list[tuple[float, int, int]]) -> None:
    """Against a model that knows when each row came: rows come just before a look, and are settled in order."""
    now, floor, came = 0.0, 1, []
    backlog = Backlog(lambda: now)
    for pause_s, new, settled in steps:
        now += pause_s
        came += [now] * new
        floor = min(floor + settled, len(came) + 1)
        age_s = backlog.age_s(floor, len(came) + 1 - floor)
        assert age_s == (now - came[floor - 1] if floor <= len(came) else None)
