"""A device, a base station, a broker and a microphone, each in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO, Any
from urllib.request import urlopen

import pytest
from support import DEADLINE_S, Broker, PulseAudio, eventually, need

from anura_edge.inference.bundle import STREAM_BUNDLE

BIN = Path(sys.executable).parent


@dataclass
class Device:
    """A running `anura-edge run --json`."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for stream, take in ((self.process.stdout, self._take_line), (self.process.stderr, self.log_lines.append)):
            Thread(target=_read, args=(stream, take), daemon=True).start()

    def _take_line(self, line: str) -> None:
        self.lines.append(json.loads(line))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [line["event"] for line in self.lines if "event" in line]

    @property
    def summary(self) -> dict[str, Any]:
        return eventually(lambda: next((line["summary"] for line in self.lines if "summary" in line), None))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


def _read(stream: IO[str], take: Callable[[str], None]) -> None:
    with stream:
        for line in stream:
            take(line)


@dataclass
class Base:
    """A running base station."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=DEADLINE_S) as answer:
            return json.load(answer)


@pytest.fixture
def start_device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    """Start `anura-edge run` with settings of its own, given as ANURA__SECTION__KEY."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, environment: dict[str, str] | None = None, **settings: str) -> Device:
        env = {**os.environ, "ANURA__STATE_DIR": str(tmp_path / "device"), **(environment or {})}
        env |= {f"ANURA__{name}": value for name, value in settings.items()}
        process = subprocess.Popen(
            [BIN / "anura-edge", "run", "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        )
        started.append(process)
        return Device(process)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def mqtt_settings(broker: Broker) -> dict[str, str]:
    """Settings that connect a device to the test's broker. Its model is the fastest; `demo` runs with the default."""
    return {
        "MODEL__BUNDLE": str(STREAM_BUNDLE),
        "DEVICE__SITE": "pond",
        "DEVICE__NAME": "one",
        "MQTT__HOST": "127.0.0.1",
        "MQTT__PORT": str(broker.port),
        "MQTT__RESEND_S": "0.5",
    }


@pytest.fixture
def start_base(tmp_path: Path, broker: Broker) -> Iterator[Callable[[], Base]]:
    """Start `anura-base run` on the test's broker, always with the same database."""
    started: list[subprocess.Popen[str]] = []

    def start() -> Base:
        database = f"sqlite:///{tmp_path / 'base.db'}"
        command = [BIN / "anura-base", "run", "--database", database, "--mqtt", f"127.0.0.1:{broker.port}"]
        process = subprocess.Popen([*command, "--web", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        match = re.search(r"http://\S+/", process.stdout.readline())
        assert match
        return Base(process, match[0])

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PulseAudio]:
    """A sound server that is not started."""
    need("pulseaudio")
    server = PulseAudio(tmp_path_factory.mktemp("pulse"))
    yield server
    server.kill()


@pytest.fixture
def microphone(pulse: PulseAudio) -> dict[str, str]:
    """The environment variables of a running virtual microphone."""
    pulse.start()
    return pulse.environment
