"""Stores convolution weights as int8 where this is exact; all arithmetic stays float32.

Cast and Mul unpack them. ONNX Runtime computes both once, when it loads the graph, so only the file becomes smaller. It
does not do this for DequantizeLinear, which would need 6 ms for each window of BirdNET.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from anura_train.models.int8_weights import MIN_VALUES, STEPS

RELATIVE_ERROR = 1e-6
"""Largest difference of a weight from its stored value, relative to the largest weight of its channel: the rounding of
float32."""

STORED, STEP, UNPACKED = "_int8", "_step", "_unpacked"
"""Ends of the names of the new tensors."""


def store_as_int8(graph: bytes) -> bytes:
    """Return an equivalent graph in which kernels that `round_to_int8` has rounded are stored as int8."""
    model = onnx.load_from_string(graph)
    kernels = {node.input[1] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")}
    nodes: list[NodeProto] = []
    for tensor in [each for each in model.graph.initializer if each.name in kernels]:
        nodes += _store(model.graph, tensor)
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    return bytes(model.SerializeToString())


def has_int8_weights(graph: bytes) -> bool:
    """Return whether `store_as_int8` has stored weights of a graph that were rounded.

    A kernel of a constant, as of a mean, is exact in any network, so it says nothing.
    """
    stored = (each for each in onnx.load_from_string(graph).graph.initializer if each.name.endswith(STORED))
    return any(np.unique(np.abs(numpy_helper.to_array(tensor))).size > 2 for tensor in stored)


def _store(graph: onnx.GraphProto, tensor: TensorProto) -> Iterator[NodeProto]:
    """Replace a kernel by integers and steps, and yield the nodes that unpack it; nothing where it is not exact."""
    weights, name = numpy_helper.to_array(tensor), tensor.name
    step = np.abs(weights).reshape(len(weights), -1).max(1).reshape(-1, *[1] * (weights.ndim - 1)) / STEPS
    if not _is_exact(weights, step):
        return
    integers = np.round(np.divide(weights, step, out=np.zeros_like(weights), where=step > 0)).astype(np.int8)
    graph.initializer.remove(tensor)
    graph.initializer.append(numpy_helper.from_array(integers, name + STORED))
    graph.initializer.append(numpy_helper.from_array(step.astype(np.float32), name + STEP))
    yield helper.make_node("Cast", [name + STORED], [name + UNPACKED], to=TensorProto.FLOAT)
    yield helper.make_node("Mul", [name + UNPACKED, name + STEP], [name])


def _is_exact(weights: NDArray[np.float32], step: NDArray[np.float32]) -> bool:
    if weights.size < MIN_VALUES or weights.dtype != np.float32:
        return False
    error = np.abs(np.round(np.divide(weights, step, out=np.zeros_like(weights), where=step > 0)) * step - weights)
    return bool((error <= RELATIVE_ERROR * STEPS * step).all())
