"""Small real objects for tests: bundles with ONNX graphs, audio with known calls, and rows."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
import tiny_models
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from support import DEADLINE_S
from tiny_models import RATE_HZ, TinyModel, make_stream_model, make_tone, make_window_model

from anura_edge.audio import AudioChunk, ClockSource, FloatArray, Recording
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector
from anura_edge.errors import UnreadableError
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.inference.bundle import (
    Bundle,
    load_bundle,
)
from anura_edge.inference.loading import load_classifier
from anura_edge.wire import Provenance

START = datetime(2026, 11, 20, 19, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings."""
    if "ANURA_DATA" not in os.environ:
        pytest.skip("ANURA_DATA names no folder of real recordings")
    return Path(os.environ["ANURA_DATA"])


@pytest.fixture(scope="session")
def tone() -> Callable[..., FloatArray]:
    """Make a tone: `tone(rate_hz, seconds, hz, amplitude)`."""
    return make_tone


@pytest.fixture(scope="session")
def two_calls() -> Callable[..., FloatArray]:
    return tiny_models.two_calls


@dataclass
class ChunkSource:
    """An audio source of given chunks, which may end with an error."""

    parts: list[AudioChunk]
    recording: Recording
    read_error: UnreadableError | None = None

    def chunks(self) -> Iterator[AudioChunk]:
        yield from self.parts
        if self.read_error:
            raise self.read_error


@pytest.fixture(scope="session")
def make_source() -> Callable[..., ChunkSource]:
    """Make an audio source of an array: chunks of a size, some of them lost, or fewer samples than declared."""

    def make(
        samples: FloatArray,
        rate_hz: int = RATE_HZ,
        chunk: int = 10 * RATE_HZ,
        lost: tuple[int, ...] = (),
        declared: int | None = None,
        read_error: UnreadableError | None = None,
        *,
        live: bool = False,
    ) -> ChunkSource:
        parts = [AudioChunk(samples[at : at + chunk], at) for at in range(0, len(samples), chunk)]
        parts = [part for number, part in enumerate(parts) if number not in lost]
        length = None if live else len(samples) if declared is None else declared
        recording = Recording(
            "f00d" * 8, "recording.wav", START, ClockSource.RECORDER, rate_hz, samples.shape[1], samples=length
        )
        return ChunkSource(parts, recording, read_error)

    return make


@pytest.fixture(scope="session")
def provenance() -> Provenance:
    return Provenance("tones", "1.0.0", "5f" * 32, "c0ffee", "0.1.0")


@pytest.fixture(scope="session")
def make_event(provenance: Provenance) -> Callable[..., Event]:
    """Make the n-th event of a recording, with changes."""

    def make(n: int = 0, recording: str = "f00d", **changes: Any) -> Event:
        event = Event(
            id=event_id(recording, n, "LOW", provenance.model_sha256),
            label="LOW",
            scientific_name="Tonus gravis",
            recording=recording,
            recording_name="Data/A_20261120_193000.wav",
            onset_sample=n,
            offset_sample=n + 100,
            rate_hz=RATE_HZ,
            start_utc=START,
            end_utc=START,
            clock_source=ClockSource.RECORDER,
            p_peak=0.9,
            p_mean=0.8,
            level_dbfs=-31.5,
        )
        return replace(event, **changes)

    return make


@pytest.fixture(scope="session")
def make_effort(provenance: Provenance) -> Callable[..., Effort]:
    """Make the n-th piece of effort of a recording, with changes."""

    def make(n: int = 0, recording: str = "f00d", **changes: Any) -> Effort:
        effort = Effort(
            id=effort_id(recording, n, EffortState.ANALYSED, provenance.model_sha256),
            recording=recording,
            recording_name="Data/A_20261120_193000.wav",
            state=EffortState.ANALYSED,
            first_sample=n,
            samples=1_000,
            rate_hz=RATE_HZ,
            start_utc=START,
            clock_source=ClockSource.RECORDER,
        )
        return replace(effort, **changes)

    return make


@pytest.fixture
def recording() -> Recording:
    return Recording("f00d", "Data/A_20261120_193000.wav", START, ClockSource.RECORDER, RATE_HZ, 1, 80_000)


@pytest.fixture
def subscribe() -> Iterator[Callable[[int, str], list[MQTTMessage]]]:
    """Subscribe to a topic at a broker's port: `subscribe(port, name)` returns the growing list of messages."""
    clients: list[Client] = []

    def receive(port: int, name: str) -> list[MQTTMessage]:
        messages: list[MQTTMessage] = []
        subscribed = Flag()
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = lambda client, *_: client.subscribe(name, 1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = lambda _client, _data, message: messages.append(message)
        client.connect("127.0.0.1", port)
        client.loop_start()
        assert subscribed.wait(DEADLINE_S)
        clients.append(client)
        return messages

    yield receive
    for client in clients:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="session")
def stream_model() -> TinyModel:
    return make_stream_model()


@pytest.fixture(scope="session")
def window_model() -> TinyModel:
    return make_window_model()


@pytest.fixture(scope="session")
def write_bundle() -> Callable[..., Path]:
    return tiny_models.write_bundle


@pytest.fixture(scope="session")
def stream_path(
    tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Path], stream_model: TinyModel
) -> Path:
    """The stream bundle. Do not change it."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "stream", stream_model)


@pytest.fixture(scope="session")
def window_path(
    tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Path], window_model: TinyModel
) -> Path:
    """The window bundle. Do not change it."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "window", window_model)


@pytest.fixture(scope="session")
def stream_bundle(stream_path: Path) -> Bundle:
    return load_bundle(stream_path)


@pytest.fixture(scope="session")
def window_bundle(window_path: Path) -> Bundle:
    return load_bundle(window_path)


@pytest.fixture(scope="session")
def ahead_model(stream_model: TinyModel) -> TinyModel:
    """The stream model with a lookahead of three hops in its manifest."""
    return replace(stream_model, lookahead=3)


@pytest.fixture(scope="session")
def ahead_bundle(
    tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Path], ahead_model: TinyModel
) -> Bundle:
    return load_bundle(write_bundle(tmp_path_factory.mktemp("bundles") / "ahead", ahead_model))


@pytest.fixture(scope="session")
def averaged_path(
    tmp_path_factory: pytest.TempPathFactory, write_bundle: Callable[..., Path], window_model: TinyModel
) -> Path:
    """The window bundle with scores that are means of three frames. Do not change it."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "averaged", window_model, averaged_frames=3)


@pytest.fixture(scope="session")
def averaged_bundle(averaged_path: Path) -> Bundle:
    return load_bundle(averaged_path)


@pytest.fixture(params=["stream", "window", "averaged", "ahead"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    """Each kind of bundle."""
    return request.getfixturevalue(f"{request.param}_bundle")


@pytest.fixture
def own_bundle(tmp_path: Path, stream_path: Path) -> Path:
    """A copy of the stream bundle that a test may damage."""
    return Path(shutil.copytree(stream_path, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def detector_for() -> Callable[..., Detector]:
    """Make a detector of a bundle, with settings."""

    def make(bundle: Bundle, block_s: float = 60.0, **detect: Any) -> Detector:
        return Detector(bundle, load_classifier(bundle), DetectionSettings(**detect), block_s)

    return make
