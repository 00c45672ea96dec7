"""Exports a network as an ONNX graph from waveform to calibrated probabilities."""

import copy
import io
import warnings

import onnx
import onnxslim
import torch

from anura_edge.errors import ModelError
from anura_train.models import Net
from anura_train.models.stream import StreamNet

OPSET = 18
"""Supported by ONNX Runtime since 1.14 (February 2023)."""

LARGEST_BYTES = 2_000_000_000
"""Slightly less than protobuf's limit of 2 GiB for a message; an ONNX file is one message."""

_EXAMPLE_STEPS = 10
"""Length, in hops, of the audio for tracing; the graph accepts any length."""


def to_onnx(model: Net) -> bytes:
    """Return a network's graph, simplified and with batch normalisation folded into the convolutions.

    Raises ModelError if the graph needs custom operators or tensors in other files.
    """
    if (size := sum(weight.nbytes for weight in model.state_dict().values())) > LARGEST_BYTES:
        raise ModelError(
            f"the weights are {size / 1e9:.1f} GB, and one ONNX file holds 2 GB; a bundle has no tensors in other "
            "files, so make the model smaller"
        )
    inputs, outputs, states = _names(model)
    audio = torch.zeros(1, model.hop_samples * _EXAMPLE_STEPS if states else model.window_samples)
    arguments = (audio, *(model.initial_state(1) if isinstance(model, StreamNet) else ()))
    written = io.BytesIO()
    with warnings.catch_warnings():
        # Only the older exporter writes a GRU as one node; the newer one unrolls it for a fixed length.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size other than 1")
        # Reflection padding copies samples with a step of -1, which the exporter leaves to the runtime.
        warnings.filterwarnings("ignore", message="Constant folding - Only steps=1")
        # torch's own shape checks are traced as constants; they are true for every batch and length.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        torch.onnx.export(
            model.eval(),
            arguments,
            written,  # type: ignore[arg-type]  # only the newer exporter needs a path
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=_dynamic_axes(inputs, outputs, streams=bool(states)),
        )
    return check_graph(_simplified(written.getvalue()))


def with_calibration(model: Net, slope: float, offset: float) -> Net:
    """Return a copy with the scores sigmoid(slope * logit + offset)."""
    model = copy.deepcopy(model)
    model.calibration.slope, model.calibration.offset = slope, offset
    return model


def _names(model: Net) -> tuple[list[str], list[str], list[str]]:
    states = [*model.state_shapes] if isinstance(model, StreamNet) else []
    return ["audio", *states], ["probabilities", *(f"{name}_out" for name in states)], states


def _dynamic_axes(inputs: list[str], outputs: list[str], *, streams: bool) -> dict[str, dict[int, str]]:
    axes = {name: {0: "batch"} for name in (*inputs, *outputs)}
    if streams:
        axes["audio"][1], axes["probabilities"][1] = "samples", "frames"
    return axes


def _simplified(graph: bytes) -> bytes:
    """Fold constants and remove no-ops: half the nodes, so a device starts faster."""
    return bytes(onnxslim.slim(onnx.load_from_string(graph)).SerializeToString())


def check_graph(graph: bytes) -> bytes:
    """Return a valid graph; ModelError if it has custom operators or tensors in other files."""
    model = onnx.load_from_string(graph)
    onnx.checker.check_model(model, full_check=True)
    if foreign := {node.domain for node in model.graph.node} - {"", "ai.onnx"}:
        raise ModelError(
            f"the graph uses operators of {foreign}, which other runtimes do not have; write the layer differently"
        )
    if any(tensor.external_data for tensor in model.graph.initializer):
        raise ModelError("the graph has tensors in other files; make the model smaller than 2 GB")
    return graph
