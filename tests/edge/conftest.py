"""Small real objects for tests: bundles with ONNX graphs, audio with known calls, and rows."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag
from typing import Any

import numpy as np
import pytest
import soundfile as sf
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from support import DEADLINE_S

from anura_edge.audio import AudioChunk, ClockSource, FloatArray, Recording
from anura_edge.config.analysis import DetectionSettings
from anura_edge.detection.detector import Detector
from anura_edge.errors import UnreadableError
from anura_edge.events import Effort, EffortState, Event, effort_id, event_id
from anura_edge.inference.bundle import (
    CARD,
    GOLDEN_CLIP,
    GOLDEN_SCORES,
    MODEL,
    Bundle,
    load_bundle,
    sha256,
    write_manifest,
)
from anura_edge.inference.loading import load_classifier
from anura_edge.inference.manifest import Label, Manifest, StateTensor, Training
from anura_edge.wire import Provenance

RATE_HZ = 8_000
HOP = 800
"""0.1 s: whole cycles of both tones."""
WINDOW = 8_000
WINDOW_HOP = 4_000
TONES_HZ = (1_000, 2_500)
HALF = 0.01
"""Squared amplitude with a probability of one half."""

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

    def make(rate_hz: int, seconds: float, hz: float = TONES_HZ[0], amplitude: float = 0.5) -> FloatArray:
        t = np.arange(round(seconds * rate_hz)) / rate_hz
        return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def two_calls(tone: Callable[..., FloatArray]) -> Callable[..., FloatArray]:
    """Make 10 s with LOW from 2.0 to 3.5 s, HIGH from 6.0 to 7.0 s, and faint noise: shape (samples, 1)."""

    def make(rate_hz: int = RATE_HZ) -> FloatArray:
        sound = np.random.default_rng(7).normal(0, 1e-3, 10 * rate_hz).astype(np.float32)
        for at_s, length_s, hz in ((2.0, 1.5, TONES_HZ[0]), (6.0, 1.0, TONES_HZ[1])):
            at = round(at_s * rate_hz)
            part = tone(rate_hz, length_s, hz)
            sound[at : at + len(part)] += part
        return sound[:, None]

    return make


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


@dataclass
class TinyModel:
    """A real graph of a few nodes, and the same computation in numpy."""

    kind: str
    """`stream`: power of two tones in each hop, averaged with the hop before; `window`: mean square of each window."""
    graph: bytes
    labels: list[Label]
    states: list[StateTensor] = field(default_factory=list)
    lookahead: int = 0
    """Lookahead of the manifest, in hops."""

    def reference(self, samples: FloatArray) -> FloatArray:
        """Score mono audio at RATE_HZ, padded with zeros to whole frames: shape (frames, labels)."""
        if self.kind == "stream":
            padded = np.zeros((-(-len(samples) // HOP) + self.lookahead) * HOP)
            padded[: len(samples)] = samples
            power = _power_of_tones(padded.reshape(-1, HOP))
            power = (power + np.vstack([np.zeros((1, 2)), power[:-1]])) / 2
        else:
            frames = max(0, -(-(len(samples) - WINDOW) // WINDOW_HOP)) + 1
            padded = np.zeros(WINDOW + (frames - 1) * WINDOW_HOP)
            padded[: len(samples)] = samples
            power = np.stack([np.square(padded[n * WINDOW_HOP :][:WINDOW]).mean(keepdims=True) for n in range(frames)])
        return (power / (power + HALF)).astype(np.float32)[self.lookahead :]


def _tone_weights() -> np.ndarray:
    t = np.arange(HOP)[:, None] / RATE_HZ
    phase = 2 * np.pi * np.array(TONES_HZ) * t
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * 2 / HOP  # (HOP, 4)


def _power_of_tones(hops: np.ndarray) -> np.ndarray:
    parts = hops @ _tone_weights()
    return np.square(parts[:, :2]) + np.square(parts[:, 2:])


def _graph(kind: str) -> bytes:
    onnx = pytest.importorskip("onnx", reason="the tiny models are made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, *values: int) -> Any:
        return numpy_helper.from_array(np.array(values, np.int64), name)

    def tensor(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    node = helper.make_node
    half = numpy_helper.from_array(np.float32(HALF), "half")
    probability = [node("Add", ["power", "half"], ["sum"]), node("Div", ["power", "sum"], ["probabilities"])]
    if kind == "stream":
        nodes = [
            node("Reshape", ["audio", "rows"], ["hops"]),
            node("MatMul", ["hops", "weights"], ["parts"]),
            node("Mul", ["parts", "parts"], ["squares"]),
            node("Split", ["squares"], ["cos", "sin"], axis=2, num_outputs=2),
            node("Add", ["cos", "sin"], ["now"]),
            node("Concat", ["before", "now"], ["all"], axis=1),
            node("Slice", ["all", "zero", "last", "one"], ["shifted"]),
            node("Slice", ["all", "last", "end", "one"], ["before_out"]),
            node("Add", ["now", "shifted"], ["twice"]),
            node("Mul", ["twice", "point_five"], ["power"]),
        ]
        weights = [
            numpy_helper.from_array(_tone_weights().astype(np.float32), "weights"),
            numpy_helper.from_array(np.float32(0.5), "point_five"),
            constant("rows", 0, -1, HOP),
            constant("zero", 0),
            constant("one", 1),
            constant("last", -1),
            constant("end", 2**31),
        ]
        inputs = [tensor("audio", "batch", "samples"), tensor("before", "batch", 1, 2)]
        outputs = [tensor("probabilities", "batch", "frames", 2), tensor("before_out", "batch", 1, 2)]
    else:
        nodes = [
            node("Mul", ["audio", "audio"], ["squares"]),
            node("ReduceMean", ["squares", "axis"], ["power"], keepdims=1),
        ]
        weights = [constant("axis", 1)]
        inputs, outputs = [tensor("audio", "batch", WINDOW)], [tensor("probabilities", "batch", 1)]
    graph = helper.make_graph([*nodes, *probability], kind, inputs, outputs, [*weights, half])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def stream_model() -> TinyModel:
    low = Label(code="LOW", scientific_name="Tonus gravis", common_name="low tone", threshold=0.5)
    high = Label(code="HIGH", scientific_name="Tonus acutus", common_name="high tone", threshold=0.5)
    return TinyModel("stream", _graph("stream"), [low, high], [StateTensor(name="before", shape=(1, 2))])


@pytest.fixture(scope="session")
def window_model() -> TinyModel:
    return TinyModel("window", _graph("window"), [Label(code="LOUD", scientific_name="Tonus clamans", threshold=0.5)])


@pytest.fixture(scope="session")
def write_bundle(two_calls: Callable[..., FloatArray]) -> Callable[..., Path]:
    """Write a bundle of a model to a folder, as an exporter would, with changes to its files or its manifest."""

    def write(folder: Path, model: TinyModel, files: dict[str, bytes] | None = None, **changes: Any) -> Path:
        (folder / GOLDEN_CLIP).parent.mkdir(parents=True)
        clip = two_calls()[: 4 * RATE_HZ + 123, 0]
        sf.write(folder / GOLDEN_CLIP, clip, RATE_HZ)
        np.save(folder / GOLDEN_SCORES, model.reference(sf.read(folder / GOLDEN_CLIP, dtype="float32")[0]))
        (folder / MODEL).write_bytes(model.graph)
        (folder / CARD).write_text("# Tones\n")
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        window, hop = (HOP, HOP) if model.kind == "stream" else (WINDOW, WINDOW_HOP)
        manifest = Manifest(
            id="tones",
            version="1.0.0",
            title="Two tones",
            kind=model.kind,
            labels=tuple(model.labels),
            rate_hz=RATE_HZ,
            window_samples=window,
            hop_samples=hop,
            lookahead_samples=model.lookahead * hop,
            states=tuple(model.states),
            licence="CC0-1.0",
            training=Training(recipe="by hand", data=(), seed=0, calibration="none"),
            files={name: sha256((folder / name).read_bytes()) for name in (MODEL, CARD, GOLDEN_CLIP, GOLDEN_SCORES)},
        )
        write_manifest(folder, manifest.model_copy(update=changes))
        return folder

    return write


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
