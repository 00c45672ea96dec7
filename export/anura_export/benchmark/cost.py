"""Cost of running a model: time, measured in alternating calls, and multiply-adds, counted in the graph."""

import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from anura_edge.dsp.framer import AudioBlock
from anura_edge.inference.bundle import Bundle
from anura_edge.inference.loading import open_model
from anura_edge.inference.manifest import Cost, Manifest

STREAM_S = 10.0
"""Audio in one call of a stream model; a window model is called with one window."""

MIN_ROUNDS, MAX_ROUNDS = 15, 300


@dataclass(frozen=True, slots=True, eq=False)
class InterleavedTimes:
    """Times of several models that were called alternately, so that other work on the machine affects all equally."""

    seconds: NDArray[np.float64]
    """Shape (rounds, models), divided by the seconds of audio of a call."""

    @property
    def medians(self) -> NDArray[np.float64]:
        """Seconds for a second of audio, (models,)."""
        return np.asarray(np.median(self.seconds, axis=0))

    def ratio(self, model: int, to: int) -> float:
        """Return the median over rounds of one model's time divided by another's."""
        return float(np.median(self.seconds[:, model] / self.seconds[:, to]))


def time_interleaved(bundles: Sequence[Bundle], threads: int = 1, budget_s: float = 1.0) -> InterleavedTimes:
    """Call models alternately, with the order reversed each round, for about `budget_s` seconds each.

    With one thread its CPU time is measured, so that other work on the machine does not count.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    classifiers = [open_model(bundle, threads) for bundle in bundles]
    windows = [_window(bundle.manifest) for bundle in bundles]
    audio_s = np.array([_frames(bundle.manifest) * bundle.manifest.hop_samples for bundle in bundles]) / np.array(
        [bundle.manifest.rate_hz for bundle in bundles]
    )
    for classifier, window in zip(classifiers, windows, strict=True):
        classifier.score(window)  # the first call allocates memory
    rounds: list[list[float]] = []
    began = time.perf_counter()
    while len(rounds) < MIN_ROUNDS or (
        len(rounds) < MAX_ROUNDS and time.perf_counter() - began < budget_s * len(bundles)
    ):
        elapsed = [0.0] * len(bundles)
        order = range(len(bundles))
        for index in order if len(rounds) % 2 else reversed(order):
            start = clock()
            classifiers[index].score(windows[index])
            elapsed[index] = clock() - start
        rounds.append(elapsed)
    return InterleavedTimes(np.array(rounds) / audio_s)


def cost_of(bundle: Bundle, seconds_per_audio_s: float) -> Cost:
    """Return the cost entry of a manifest."""
    return Cost(
        ms_per_audio_s=1e3 * seconds_per_audio_s,
        mmac_per_audio_s=multiply_adds(bundle) / 1e6,
        model_bytes=len(bundle.model),
        machine=machine(),
    )


def machine() -> str:
    """Return the names of the processor and the runtime."""
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return f"{names[0] if names else platform.machine()}, ONNX Runtime {ort.__version__}"


def multiply_adds(bundle: Bundle) -> float:
    """Return the multiply-adds for one second of audio in a bundle's convolutions, matrix products and GRUs.

    Shapes that depend on the length of the audio are not in the file, so the model is run once to get them.
    """
    manifest = bundle.manifest
    model = onnx.load_from_string(bundle.model)
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul", "GRU")]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    needed = {name for node in layers for name in (*node.input[:2], node.output[0])} - shapes.keys()
    existing = {tensor.name for tensor in [*model.graph.input, *model.graph.output]}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(needed - existing))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {state.name: np.zeros((1, *state.shape), np.float32) for state in manifest.states}
    feed["audio"] = _window(manifest).samples[None]
    shapes |= {name: value.shape for name, value in feed.items()}
    for output, value in zip(session.get_outputs(), session.run(None, feed), strict=True):
        shapes[output.name] = value.shape
    per_call = sum(_of_layer(node, shapes) for node in layers)
    return per_call * manifest.rate_hz / (_frames(manifest) * manifest.hop_samples)


def _of_layer(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    source, weight, result = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        return prod(result) * prod(weight[1:])
    if node.op_type == "GRU":  # three gates in each direction, with products of the input and of the state
        steps, directions, _, hidden = result
        return steps * directions * 3 * hidden * (weight[2] + hidden)
    return prod(result) * source[-1]


def _frames(manifest: Manifest) -> int:
    return 1 if manifest.kind == "window" else round(STREAM_S * manifest.rate_hz / manifest.hop_samples)


def _window(manifest: Manifest) -> AudioBlock:
    samples = manifest.window_samples + (_frames(manifest) - 1) * manifest.hop_samples
    return AudioBlock(np.random.default_rng(0).normal(0, 0.01, samples).astype(np.float32), 0)
