"""Quantizes the convolutions and matrix products of a float graph to 8-bit integers.

Static QDQ, symmetric signed integers for activations and weights, one scale for each output channel (Jacob et al.
2018). These layers stay float:

| what | why |
|---|---|
| the front end, up to the logarithm | its powers span ten decades |
| the first layer after it, and the last layers | little gain, and the largest loss of accuracy |
| depthwise convolutions | ONNX Runtime has no signed kernel for them on x86: the stream model became 30 % slower |
| GRU, LayerNorm, GELU, Softmax, products of two activations | few multiplications, or ranges that depend on the input |
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging import Filter, LogRecord, getLogger
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from anura_edge.audio import FloatArray
from anura_edge.dsp.framer import Framer
from anura_edge.errors import ModelError
from anura_edge.inference.bundle import Bundle
from anura_export.bundles.onnx_graph import check_graph

ModelInputs = dict[str, FloatArray]
"""Input name -> value: audio and, for a stream model, the states."""

WEIGHTED = ("Conv", "Gemm", "MatMul")

CHUNK_S = 1.0
"""Chunk length for stream models."""


def quantize_graph(bundle: Bundle, clips: Iterable[FloatArray]) -> bytes:
    """Return a bundle's graph quantized to int8, with ranges from clips (samples,), each a separate stream.

    Raises ModelError when no layer can be quantized, or the bundle is not float32.
    """
    if bundle.manifest.precision != "float32":
        raise ModelError(
            f"{bundle.path} is {bundle.manifest.precision} already; name the float bundle it was made from"
        )
    with tempfile.TemporaryDirectory(prefix="anura-int8-") as scratch, _without_advice():
        floats, integers = Path(scratch) / "float.onnx", Path(scratch) / "int8.onnx"
        floats.write_bytes(bundle.model)
        # Symbolic shape inference fails for streams of variable length; ONNX's own inference suffices for these layers.
        quant_pre_process(floats, floats, skip_symbolic_shape=True)
        layers = quantizable_layers(onnx.load(floats).graph)
        if not layers:
            raise ModelError(
                f"{bundle.path} has no layer between the first and the last one; there is nothing to quantize"
            )
        quantize_static(
            floats,
            integers,
            _CalibrationReader(calibration_inputs(bundle, clips)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(WEIGHTED),
            nodes_to_quantize=layers,
            extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
        )
        return check_graph(integers.read_bytes())


def quantizable_layers(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the layers to quantize; the module docstring lists those that stay float."""
    after_log = _downstream_nodes(
        graph.node, {name for node in graph.node if node.op_type == "Log" for name in node.output}
    )
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    layers = [node for node in after_log if node.op_type in WEIGHTED and node.input[1] in weights]
    outputs = {node.name: set(node.output) for node in layers}
    # Layer -> the layers after it. The first layers are in no value of this mapping; the last ones have an empty value.
    reached = {
        name: {other.name for other in _downstream_nodes(after_log, own)} & outputs.keys()
        for name, own in outputs.items()
    }
    not_first = set().union(*reached.values())
    return [
        node.name
        for node in layers
        if node.name in not_first and reached[node.name] and not _is_depthwise(node, weights[node.input[1]])
    ]


def calibration_inputs(bundle: Bundle, clips: Iterable[FloatArray]) -> Iterator[ModelInputs]:
    """Yield a model's inputs for each clip: its windows, or its chunks in order with the states before each."""
    manifest = bundle.manifest
    if manifest.kind == "window":
        for clip in clips:
            yield from ({"audio": audio} for audio in _split_clip(clip, manifest.window_samples, frames=1))
        return
    session = ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])
    names = [state.name for state in manifest.states]
    for clip in clips:
        feed: ModelInputs = {state.name: np.zeros((1, *state.shape), np.float32) for state in manifest.states}
        for audio in _split_clip(clip, manifest.hop_samples, round(CHUNK_S * manifest.rate_hz / manifest.hop_samples)):
            feed = {**feed, "audio": audio}
            yield feed
            states = session.run([f"{name}_out" for name in names], feed)
            feed = dict(zip(names, states, strict=True))


def _split_clip(clip: FloatArray, size: int, frames: int) -> Iterator[FloatArray]:
    """Split a clip into chunks (1, frames * size), the last padded with silence."""
    framer = Framer(size, size, frames)
    for windows in (framer.feed(clip), framer.flush()):
        yield from (window.samples[None].copy() for window in windows)


def _downstream_nodes(nodes: Iterable[onnx.NodeProto], tensors: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes that depend on one of some tensors, directly or indirectly; `nodes` are in execution order."""
    tensors, found = set(tensors), []
    for node in nodes:
        if tensors.intersection(node.input):
            tensors.update(node.output)
            found.append(node)
    return found


def _is_depthwise(node: onnx.NodeProto, dims: tuple[int, ...]) -> bool:
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    return bool(groups > 1 and dims[1] == 1)


class _CalibrationReader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, calibration_inputs: Iterator[ModelInputs]) -> None:
        self._feeds = calibration_inputs

    def get_next(self) -> ModelInputs | None:
        return next(self._feeds, None)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Suppress onnxruntime's advice to run the pre-processing, which has been run."""

    class AdviceFilter(Filter):
        def filter(self, record: LogRecord) -> bool:
            return "pre-processing before quantization" not in record.getMessage()

    root, advice = getLogger(), AdviceFilter()
    root.addFilter(advice)
    try:
        yield
    finally:
        root.removeFilter(advice)
