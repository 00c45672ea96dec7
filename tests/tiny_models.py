"""Small real bundles: graphs of a few nodes, whose scores numpy computes, too."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile as sf

from anura_edge.audio import FloatArray
from anura_edge.inference.bundle import CARD, GOLDEN_CLIP, GOLDEN_SCORES, MODEL, sha256, write_manifest
from anura_edge.inference.manifest import Label, Manifest, StateTensor, Training

RATE_HZ = 8_000
HOP = 800
"""0.1 s: whole cycles of both tones."""
WINDOW = 8_000
WINDOW_HOP = 4_000
TONES_HZ = (1_000, 2_500)
HALF = 0.01
"""Squared amplitude with a probability of one half."""


def make_tone(rate_hz: int, seconds: float, hz: float = TONES_HZ[0], amplitude: float = 0.5) -> FloatArray:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def two_calls(rate_hz: int = RATE_HZ) -> FloatArray:
    """Make 10 s with LOW from 2.0 to 3.5 s, HIGH from 6.0 to 7.0 s, and faint noise: shape (samples, 1)."""
    sound = np.random.default_rng(7).normal(0, 1e-3, 10 * rate_hz).astype(np.float32)
    for at_s, length_s, hz in ((2.0, 1.5, TONES_HZ[0]), (6.0, 1.0, TONES_HZ[1])):
        at = round(at_s * rate_hz)
        part = make_tone(rate_hz, length_s, hz)
        sound[at : at + len(part)] += part
    return sound[:, None]


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


def make_graph(kind: str, slow_nodes: int = 0) -> bytes:
    """Return an ONNX graph. With `slow_nodes` it multiplies so many large matrices and does not use the result."""
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
    if slow_nodes:
        nodes += [
            node("ReduceMean", ["audio"], ["mean"], keepdims=0),
            node("Mul", ["matrix", "mean"], ["product0"]),
            *(node("MatMul", ["matrix", f"product{n}"], [f"product{n + 1}"]) for n in range(slow_nodes)),
            node("ReduceMean", [f"product{slow_nodes}"], ["result"], keepdims=0),
            node("Mul", ["result", "nothing"], ["unused"]),
            node("Add", ["power", "unused"], ["slow_power"]),
        ]
        probability = [
            node("Add", ["slow_power", "half"], ["sum"]),
            node("Div", ["slow_power", "sum"], ["probabilities"]),
        ]
        weights += [
            numpy_helper.from_array(np.full((384, 384), 1e-3, np.float32), "matrix"),
            numpy_helper.from_array(np.float32(0), "nothing"),
        ]
    graph = helper.make_graph([*nodes, *probability], kind, inputs, outputs, [*weights, half])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def make_stream_model(slow_nodes: int = 0) -> TinyModel:
    low = Label(code="LOW", scientific_name="Tonus gravis", common_name="low tone", threshold=0.5)
    high = Label(code="HIGH", scientific_name="Tonus acutus", common_name="high tone", threshold=0.5)
    return TinyModel(
        "stream", make_graph("stream", slow_nodes), [low, high], [StateTensor(name="before", shape=(1, 2))]
    )


def make_window_model() -> TinyModel:
    return TinyModel(
        "window", make_graph("window"), [Label(code="LOUD", scientific_name="Tonus clamans", threshold=0.5)]
    )


def write_bundle(folder: Path, model: TinyModel, files: dict[str, bytes] | None = None, **changes: Any) -> Path:
    """Write a bundle of a model to a folder, as an exporter would, with changes to its files or its manifest."""
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


def pack_bundle(folder: Path, package: Path) -> Path:
    """Write a bundle as one zip file, in a folder of its name."""
    with ZipFile(package, "w") as file:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                file.write(each, f"tones/{each.relative_to(folder)}")
    return package
