"""Gives the ONNX graph of another program the inputs and outputs of a window bundle.

audio [batch, samples] -> the graph -> activation -> probabilities [batch, labels], all float32.
"""

from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, compose, helper

from anura_edge.errors import ConfigError, ModelError
from anura_export.imported.activation import Activation

PREFIX = "imported/"
"""Before all names of the graph, so that `audio` and `probabilities` are free."""

LARGEST_BYTES = 2_000_000_000
"""Protobuf's limit for one message, with some room."""


@dataclass(frozen=True, slots=True)
class ScoreGraph:
    """A graph from windows of audio to scores, with its only input and the chosen output."""

    model: ModelProto
    source: Path
    input: str
    output: str
    fixed_batch: bool
    """The graph takes one window at a time."""


def read_graph(source: Path, window_samples: int, output: str | None) -> ScoreGraph:
    """Read and check a graph. `output` names one of several outputs.

    Raises ModelError if it is not a graph from windows of this length to scores; ConfigError if the output is unknown.
    """
    model = _read(source)
    initialised = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initialised]
    if len(inputs) != 1:
        found = ", ".join(value.name for value in inputs) or "none"
        raise ModelError(f"{source} must have one input, the audio; it has: {found}; export it with one")
    audio, chosen = inputs[0], _choose_output(source, model.graph, output)
    batch, samples = _shape(source, audio, "input", "[batch, samples]")
    if samples not in (None, window_samples):
        raise ModelError(
            f"{source}: a window of its input has {samples:,} samples, --rate and --window give {window_samples:,}; "
            "correct them"
        )
    _shape(source, chosen, "output", "[batch, labels]")
    if batch not in (None, 1):
        raise ModelError(f"{source} takes {batch} windows at a time; export it for one, or for any number")
    return ScoreGraph(model, source, audio.name, chosen.name, fixed_batch=batch == 1)


def to_window_graph(graph: ScoreGraph, window_samples: int, labels: int, activation: Activation) -> bytes:
    """Return the graph of a window bundle."""
    model = compose.add_prefix(graph.model, PREFIX)
    inner, scores = model.graph, "scores"
    if graph.fixed_batch:
        nodes = _for_each_window(inner, PREFIX + graph.input, PREFIX + graph.output, window_samples, labels)
    else:
        renamed_in = helper.make_node("Identity", ["audio"], [PREFIX + graph.input], "audio")
        renamed_out = helper.make_node("Identity", [PREFIX + graph.output], [scores], "scores")
        nodes = [renamed_in, *inner.node, renamed_out]
    operator = {Activation.NONE: "Identity", Activation.SIGMOID: "Sigmoid", Activation.SOFTMAX: "Softmax"}[activation]
    attributes = {"axis": 1} if activation is Activation.SOFTMAX else {}
    last = helper.make_node(operator, [scores], ["probabilities"], "probabilities", **attributes)
    outer = helper.make_graph(
        [*nodes, last],
        "bundle",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", window_samples])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels])],
        initializer=[] if graph.fixed_batch else inner.initializer,
        sparse_initializer=None if graph.fixed_batch else inner.sparse_initializer,
    )
    result = helper.make_model(outer, opset_imports=model.opset_import, functions=model.functions)
    result.ir_version = model.ir_version
    return bytes(result.SerializeToString())


def _for_each_window(inner: GraphProto, audio: str, scores: str, window_samples: int, labels: int) -> list[NodeProto]:
    """Return a node that runs a graph for one window over all windows of a batch (ONNX operator Scan)."""
    body = helper.make_graph(
        [
            helper.make_node("Reshape", ["window", "window_shape"], [audio], "one window"),
            *inner.node,
            helper.make_node("Reshape", [scores, "scores_shape"], ["window_scores"], "its scores"),
        ],
        "window",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, [window_samples])],
        [helper.make_tensor_value_info("window_scores", TensorProto.FLOAT, [labels])],
        initializer=[
            *inner.initializer,
            helper.make_tensor("window_shape", TensorProto.INT64, [2], [1, window_samples]),
            helper.make_tensor("scores_shape", TensorProto.INT64, [1], [labels]),
        ],
        sparse_initializer=inner.sparse_initializer,
    )
    return [helper.make_node("Scan", ["audio"], ["scores"], "windows", body=body, num_scan_inputs=1)]


def _read(source: Path) -> ModelProto:
    try:
        if source.stat().st_size > LARGEST_BYTES:
            raise ModelError(f"{source} is larger than 2 GB, and one ONNX file holds 2 GB; export a smaller model")
        model = onnx.load_model(source, load_external_data=False)
    except OSError as error:
        raise ModelError(f"cannot read {source}: {error.strerror}; correct the path") from error
    except DecodeError as error:
        raise ModelError(f"{source} is not an ONNX file; export the model as ONNX") from error
    if not model.graph.node or not model.opset_import:
        raise ModelError(f"{source} is not an ONNX file; export the model as ONNX")
    if any(tensor.external_data for tensor in model.graph.initializer):
        raise ModelError(f"{source} has tensors in other files; save it as one file (onnx.save_model)")
    return model


def _choose_output(source: Path, graph: GraphProto, name: str | None) -> ValueInfoProto:
    outputs = {value.name: value for value in graph.output}
    if name is None and len(outputs) == 1:
        return graph.output[0]
    if name not in outputs:
        wrong = "has several outputs" if name is None else f"has no output {name!r}"
        raise ConfigError(f"{source} {wrong}; choose one with --output: {', '.join(outputs)}")
    return outputs[name]


def _shape(source: Path, value: ValueInfoProto, role: str, expected: str) -> tuple[int | None, int | None]:
    """Return the two dimensions of a tensor, None where any number is allowed."""
    tensor = value.type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT:
        found = TensorProto.DataType.Name(tensor.elem_type).lower()
        raise ModelError(f"{source}: the {role} {value.name!r} is {found}; a bundle needs float32 {expected}")
    dimensions = [each.dim_value if each.HasField("dim_value") else None for each in tensor.shape.dim]
    if len(dimensions) != 2:
        shown = ", ".join("any" if each is None else f"{each:,}" for each in dimensions)
        raise ModelError(f"{source}: the {role} {value.name!r} has the shape [{shown}]; a bundle needs {expected}")
    return dimensions[0], dimensions[1]
